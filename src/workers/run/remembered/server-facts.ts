/**
 * Server quirks found during runs, kept in the state folder for the next one. Without them every
 * run would copy everything again to a server that keeps no mtimes, and would begin slowly on a
 * server that many requests slow down.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Remote } from '../../../core/remote.js';
import type { Capabilities } from '../../../endpoints/endpoint.js';
import { serverFactsFile } from '../../../state/layout.js';
import { writeWhole } from '../../../state/write-whole.js';

interface ServerFacts extends Pick<Capabilities, 'setStat' | 'clockOffset' | 'requestsAtOnce'> {
  /** Whether the server offers hard links and was found not to make them. */
  readonly hardLinksLie: boolean;
}

/** Milliseconds after which a server is asked for hard links again: it may have been updated. */
const hardLinksLieForMs = 7 * 86_400_000;

const setStatValues: readonly string[] = ['pipelined', 'handle', 'path', 'none'];

/** Puts the known facts about the remote's server into `can`. Returns a function that keeps what `can` has learnt since. */
export async function recallFacts(
  state: string,
  remote: Remote,
  can: Capabilities,
): Promise<() => Promise<void>> {
  const known = await readFacts(state, remote);
  const offersLinks = can.hardLinks;
  if (known !== undefined) {
    can.setStat = known.setStat;
    can.clockOffset = known.clockOffset;
    if (known.hardLinksLie) can.hardLinks = false;
    // a limit that this process has found itself is newer
    if (can.requestsAtOnce === Number.POSITIVE_INFINITY) can.requestsAtOnce = known.requestsAtOnce;
  }
  const now = () => textOf({ ...can, hardLinksLie: offersLinks && !can.hardLinks });
  const before = now();
  return async () => {
    if (now() === before) return;
    // if the state folder can't be written, the next run finds the facts again
    await writeWhole(serverFactsFile(state, remote), now()).catch(() => {});
  };
}

/** The known facts about the remote's server; undefined if there are none or the file is damaged. */
async function readFacts(state: string, remote: Remote): Promise<ServerFacts | undefined> {
  try {
    const file = serverFactsFile(state, remote);
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    const found = JSON.parse(text) as Partial<ServerFacts>;
    if (found.setStat === undefined || !setStatValues.includes(found.setStat)) return undefined;
    return {
      setStat: found.setStat,
      clockOffset: Number(found.clockOffset) || 0,
      requestsAtOnce: Number(found.requestsAtOnce) || Number.POSITIVE_INFINITY,
      hardLinksLie: found.hardLinksLie === true && Date.now() - mtimeMs < hardLinksLieForMs,
    };
  } catch {
    return undefined;
  }
}

/** JSON; infinity is written as `null`. */
function textOf({ setStat, clockOffset, requestsAtOnce, hardLinksLie }: ServerFacts): string {
  return `${JSON.stringify({ setStat, clockOffset, requestsAtOnce, hardLinksLie })}\n`;
}
