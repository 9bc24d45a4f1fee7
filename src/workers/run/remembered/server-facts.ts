/**
 * What was learnt of servers by being disappointed, kept in the state folder so that the next run
 * starts from it: a server that keeps no mtimes must not make every run copy everything again, and
 * one that many requests slow down must not be slow at every start.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Remote } from '../../../core/remote.js';
import type { Capabilities } from '../../../endpoints/endpoint.js';

type Learnt = Pick<Capabilities, 'setStat' | 'clockOffset' | 'requestsAtOnce'>;
const strategies: readonly string[] = ['pipelined', 'handle', 'path', 'none'];

const fileOf = (state: string, remote: Remote) =>
  join(
    state,
    'servers',
    `${remote.host}_${remote.port}_${remote.username}.json`.replace(/\//g, '_'),
  );

/** What is known of the remote's server; undefined where nothing is. */
async function learntOf(state: string, remote: Remote): Promise<Learnt | undefined> {
  try {
    const found = JSON.parse(await readFile(fileOf(state, remote), 'utf8')) as Partial<Learnt>;
    if (found.setStat === undefined || !strategies.includes(found.setStat)) return undefined;
    return {
      setStat: found.setStat,
      clockOffset: Number(found.clockOffset) || 0,
      requestsAtOnce: Number(found.requestsAtOnce) || Number.POSITIVE_INFINITY,
    };
  } catch {
    return undefined; // first meeting, or a damaged record: it is learnt anew
  }
}

/** Puts what is known of the remote's server into `can`. What comes back keeps what `can` has learnt since. */
export async function recallFacts(
  state: string,
  remote: Remote,
  can: Capabilities,
): Promise<() => Promise<void>> {
  const known = await learntOf(state, remote);
  if (known !== undefined) {
    can.setStat = known.setStat;
    can.clockOffset = known.clockOffset;
    // what this process found itself is newer
    if (can.requestsAtOnce === Number.POSITIVE_INFINITY) can.requestsAtOnce = known.requestsAtOnce;
  }
  const before = textOf(can);
  return async () => {
    if (textOf(can) !== before) await write(fileOf(state, remote), textOf(can));
  };
}

/** Infinity is `null` in it. */
function textOf({ setStat, clockOffset, requestsAtOnce }: Learnt): string {
  return `${JSON.stringify({ setStat, clockOffset, requestsAtOnce })}\n`;
}

/** A state folder that can't be written costs only the knowledge. */
async function write(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(`${file}.${process.pid}`, text);
    await rename(`${file}.${process.pid}`, file);
  } catch {
    // see above
  }
}
