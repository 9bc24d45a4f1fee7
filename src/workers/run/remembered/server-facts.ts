/**
 * Server quirks found during runs, kept in the state folder for the next one. Without them every
 * run would copy everything again to a server that keeps no mtimes, and would begin slowly on a
 * server that many requests slow down.
 */
import { readFile } from 'node:fs/promises';
import type { Remote } from '../../../core/remote.js';
import type { Capabilities } from '../../../endpoints/endpoint.js';
import { serverFactsFile } from '../../../state/layout.js';
import { writeWhole } from '../../../state/write-whole.js';

type ServerFacts = Pick<Capabilities, 'setStat' | 'clockOffset' | 'requestsAtOnce'>;
const setStatValues: readonly string[] = ['pipelined', 'handle', 'path', 'none'];

/** Puts the known facts about the remote's server into `can`. Returns a function that keeps what `can` has learnt since. */
export async function recallFacts(
  state: string,
  remote: Remote,
  can: Capabilities,
): Promise<() => Promise<void>> {
  const known = await readFacts(state, remote);
  if (known !== undefined) {
    can.setStat = known.setStat;
    can.clockOffset = known.clockOffset;
    // a limit that this process has found itself is newer
    if (can.requestsAtOnce === Number.POSITIVE_INFINITY) can.requestsAtOnce = known.requestsAtOnce;
  }
  const before = textOf(can);
  return async () => {
    if (textOf(can) === before) return;
    // if the state folder can't be written, the next run finds the facts again
    await writeWhole(serverFactsFile(state, remote), textOf(can)).catch(() => {});
  };
}

/** The known facts about the remote's server; undefined if there are none or the file is damaged. */
async function readFacts(state: string, remote: Remote): Promise<ServerFacts | undefined> {
  try {
    const text = await readFile(serverFactsFile(state, remote), 'utf8');
    const found = JSON.parse(text) as Partial<ServerFacts>;
    if (found.setStat === undefined || !setStatValues.includes(found.setStat)) return undefined;
    return {
      setStat: found.setStat,
      clockOffset: Number(found.clockOffset) || 0,
      requestsAtOnce: Number(found.requestsAtOnce) || Number.POSITIVE_INFINITY,
    };
  } catch {
    return undefined;
  }
}

/** JSON; infinity is written as `null`. */
function textOf({ setStat, clockOffset, requestsAtOnce }: ServerFacts): string {
  return `${JSON.stringify({ setStat, clockOffset, requestsAtOnce })}\n`;
}
