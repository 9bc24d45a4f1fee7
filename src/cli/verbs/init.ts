/** `ferryline init`: writes a first jobs.yml to start from. */
import { writeFile } from 'node:fs/promises';
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import type { Context } from '../context.js';
import { configCandidates } from '../folders.js';

const start = `remotes:
  server:
    host: sftp.example.com
    username: me
    # hostKey: SHA256:…          # \`ferryline trust server\` shows it

jobs:
  upload:
    operation: push              # push | pull | mirror
    from: ./data
    to: server:data              # below the login folder
    exclude: ["*.tmp"]
`;

/** Never replaces a file. Errors: `config` when one is there or it can't be written. */
export async function init({ around, config, output }: Context): Promise<number> {
  const [file = 'jobs.yml'] = configCandidates(around, config);
  try {
    await writeFile(file, start, { flag: 'wx', mode: 0o600 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'exists already' : `can't be written: ${code}`;
    throw new FerryError('config', `${escapeText(file)} ${why}`, { cause: thrown });
  }
  if (output.json) output.record({ event: 'init', time: new Date().toISOString(), path: file });
  else output.data(file);
  output.note(
    'next: put your server in, then `ferryline trust server` and `ferryline plan upload`',
  );
  return 0;
}
