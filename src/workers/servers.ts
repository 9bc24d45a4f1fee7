/**
 * What was learnt of servers by being disappointed, kept in the state folder so that the next run
 * starts from it: a server that keeps no mtimes must not make every run copy everything again.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Remote } from '../core/remote.js';
import type { Capabilities } from '../endpoints/endpoint.js';

type Learnt = Pick<Capabilities, 'setStat' | 'clockOffset'>;
const strategies: readonly string[] = ['pipelined', 'handle', 'path', 'none'];

const fileOf = (state: string, remote: Remote) =>
  join(
    state,
    'servers',
    `${remote.host}_${remote.port}_${remote.username}.json`.replace(/\//g, '_'),
  );

/** Puts what is known of the remote's server into `can`. Without a readable record nothing is known. */
export async function recall(state: string, remote: Remote, can: Capabilities): Promise<void> {
  try {
    const found = JSON.parse(await readFile(fileOf(state, remote), 'utf8')) as Partial<Learnt>;
    if (found.setStat === undefined || !strategies.includes(found.setStat)) return;
    can.setStat = found.setStat;
    can.clockOffset = Number(found.clockOffset) || 0;
  } catch {
    // first meeting, or a damaged record: it is learnt anew
  }
}

/** Keeps what `can` says now. A state folder that can't be written costs only the knowledge. */
export async function remember(state: string, remote: Remote, can: Capabilities): Promise<void> {
  const file = fileOf(state, remote);
  const learnt: Learnt = { setStat: can.setStat, clockOffset: can.clockOffset };
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(`${file}.${process.pid}`, `${JSON.stringify(learnt)}\n`);
    await rename(`${file}.${process.pid}`, file);
  } catch {
    // see above
  }
}
