/**
 * What was learnt of servers by being disappointed, kept in the state folder so that the next run
 * starts from it: a server that keeps no mtimes must not make every run copy everything again, and
 * one that many requests slow down must not be slow at every start.
 */
import { readFile } from 'node:fs/promises';
import type { Remote } from '../../../core/remote.js';
import type { Capabilities } from '../../../endpoints/endpoint.js';
import { serverFactsFile } from '../../../state/layout.js';
import { writeWhole } from '../../../state/write-whole.js';

type Learnt = Pick<Capabilities, 'setStat' | 'clockOffset' | 'requestsAtOnce'>;
const strategies: readonly string[] = ['pipelined', 'handle', 'path', 'none'];

/** What is known of the remote's server; undefined where nothing is. */
async function learntOf(state: string, remote: Remote): Promise<Learnt | undefined> {
  try {
    const found = JSON.parse(
      await readFile(serverFactsFile(state, remote), 'utf8'),
    ) as Partial<Learnt>;
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
    if (textOf(can) !== before) {
      // A state folder that can't be written costs only the knowledge.
      await writeWhole(serverFactsFile(state, remote), textOf(can)).catch(() => {});
    }
  };
}

/** Infinity is `null` in it. */
function textOf({ setStat, clockOffset, requestsAtOnce }: Learnt): string {
  return `${JSON.stringify({ setStat, clockOffset, requestsAtOnce })}\n`;
}
