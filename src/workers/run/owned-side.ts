/** An endpoint that changes nothing once the run is no longer this worker's. */
import { FerryError } from '../../core/errors.js';
import { promised } from '../../core/promised.js';
import type { Endpoint } from '../../endpoints/endpoint.js';
import type { Side } from '../../endpoints/side.js';

/** The side with all its endpoints owned: they check `isOurs` before each change. */
export function ownedSide(side: Side, isOurs: () => boolean): Side {
  const { makeRoot, elsewhere } = side;
  return {
    ...side,
    endpoint: ownedEndpoint(side.endpoint, isOurs),
    elsewhere: (root, label) => ownedEndpoint(elsewhere(root, label), isOurs),
    async moveTo(other, from, to, ...rest) {
      assertOurs(isOurs, to);
      return side.moveTo(other, from, to, ...rest);
    },
    async makeRoot(signal) {
      assertOurs(isOurs, '');
      return makeRoot(signal);
    },
  };
}

function assertOurs(isOurs: () => boolean, path: string): void {
  if (isOurs()) return;
  throw new FerryError('network', 'another worker has taken over the run', {
    path,
    hint: 'that worker finishes it; this one changes nothing more',
  });
}

/**
 * The same endpoint, but every call that changes an entry first checks that the run is still ours:
 * another worker may have taken it over while this process was suspended. Handles do not check,
 * since they only write to temporary files of our own.
 */
function ownedEndpoint(side: Endpoint, isOurs: () => boolean): Endpoint {
  const owned = <T>(path: string, change: () => Promise<T>): Promise<T> =>
    promised(() => {
      assertOurs(isOurs, path);
      return change();
    });
  return {
    ...side,
    mkdir: (path, ...rest) => owned(path, () => side.mkdir(path, ...rest)),
    rename: (from, to, ...rest) => owned(to, () => side.rename(from, to, ...rest)),
    link: (from, to, ...rest) => owned(to, () => side.link(from, to, ...rest)),
    setStat: (path, ...rest) => owned(path, () => side.setStat(path, ...rest)),
    remove: (path, ...rest) => owned(path, () => side.remove(path, ...rest)),
    rmdir: (path, ...rest) => owned(path, () => side.rmdir(path, ...rest)),
    symlink: (target, path, ...rest) => owned(path, () => side.symlink(target, path, ...rest)),
  };
}
