/**
 * Looks whether a file got its final name: a server may say OK to a rename and do nothing. Every file is
 * looked at where more depends on it (`after`), and on a server that was seen to lie. On others it is the
 * first new file of a run, and the first that replaces one, before any other gets its name; on OpenSSH none.
 */
import type { Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import { agrees } from './agrees.js';
import type { CopyContext, CopyRequest } from './copy-context.js';

interface Renamed {
  readonly temporary: string;
  /** The temporary file's stat once it was complete. */
  readonly stored: Stat | undefined;
}

type FinalName = Pick<CopyRequest, 'path' | 'destination'>;

/** Calls `giveName`, and looks at the name afterwards where that is worth a round trip. */
export function giveAndLook(
  file: Renamed,
  name: FinalName,
  context: CopyContext,
  giveName: () => Promise<void>,
): Promise<void> {
  const { firstNames, looks } = context;
  const { can } = context.destination;
  const isSure = can.roundTrip === 0 || file.stored === undefined;
  const believes = isSure || (!looks && !can.renamesLie && can.setStat === 'pipelined');
  if (believes) return giveName();
  const give = async (isLookedAt: boolean) => {
    await giveName();
    if (isLookedAt) await lookAt(file, name, context);
  };
  if (looks || can.renamesLie || firstNames === undefined) return give(true);
  const kind = name.destination === undefined ? 'free' : 'taken';
  const first = firstNames[kind];
  if (first !== undefined) return first.then((isFine) => give(!isFine));
  const giving = give(true);
  firstNames[kind] = giving.then(
    () => true,
    () => false,
  );
  return giving;
}

async function lookAt({ temporary, stored }: Renamed, { path }: FinalName, context: CopyContext) {
  const { destination, signal, looks } = context;
  const there = await destination.stat(path, signal);
  if (there !== undefined && stored !== undefined && agrees(there, stored)) return;
  const lies = (await destination.stat(temporary, signal)) !== undefined;
  if (lies) destination.can.renameLied?.();
  // somebody may have taken or replaced it already
  else if (!looks) return;
  throw new FerryError('io', 'the server says that it renamed the file, but it is not there', {
    path,
    hint: 'nothing else was done with it; check the server',
  });
}
