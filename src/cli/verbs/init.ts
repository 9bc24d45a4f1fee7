/** `ferryline init`: writes a first jobs.yml. */
import { writeFile } from 'node:fs/promises';
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import type { Context } from '../context.js';
import { configCandidates } from '../folders.js';

/** The first job of README.md, with room for what comes next. */
const firstConfig = `remotes:
  archive:
    host: backup.example
    username: backup
    root: /srv/backup            # must exist there; left out: the login folder
    # hostKey: SHA256:…          # shown by \`ferryline trust archive\`

jobs:
  nightly:
    operation: mirror            # push | pull | mirror
    from: ./data
    to: archive:data             # below the root
    trash: true                  # keeps what is deleted or overwritten for 30 days
    # schedule: "0 2 * * *"      # for \`ferryline start\`
`;

/** Never replaces a file. Errors: `config` if the file exists or cannot be written. */
export async function init({ environment, config, output }: Context): Promise<number> {
  const [file = 'jobs.yml'] = configCandidates(environment, config);
  try {
    await writeFile(file, firstConfig, { flag: 'wx', mode: 0o600 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'already exists' : `cannot be written: ${code}`;
    throw new FerryError('config', `${escapeText(file)} ${why}`, { cause: thrown });
  }
  if (output.json) output.record({ event: 'init', time: new Date().toISOString(), path: file });
  else output.data(file);
  output.note(
    'next: enter your server, then run `ferryline trust archive` and `ferryline plan nightly`',
  );
  return 0;
}
