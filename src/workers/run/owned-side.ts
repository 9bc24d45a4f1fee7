/** An endpoint that changes nothing once the run is no longer this worker's. */
import { FerryError } from '../../core/errors.js';
import type { Endpoint } from '../../endpoints/endpoint.js';
import type { Side } from '../../endpoints/open.js';

/** A side whose endpoints are all held. */
export function ownedSide(side: Side, isOurs: () => boolean): Side {
  const { makeRoot, elsewhere } = side;
  return {
    ...side,
    endpoint: held(side.endpoint, isOurs),
    elsewhere: (root, label) => held(elsewhere(root, label), isOurs),
    async makeRoot(signal) {
      mustBe(isOurs, '');
      return makeRoot(signal);
    },
  };
}

function mustBe(isOurs: () => boolean, path: string): void {
  if (isOurs()) return;
  throw new FerryError('network', 'the run was taken over by another worker', {
    path,
    hint: 'that one finishes it; nothing more is changed here',
  });
}

/**
 * The same side, but every call that changes what stands at a name first asks whether the run is
 * still ours, since another worker may have taken it over while this process stood still. Bytes in
 * a temporary file of our own harm nobody, so handles are left as they are.
 */
function held(side: Endpoint, isOurs: () => boolean): Endpoint {
  const check = (path: string) => mustBe(isOurs, path);
  return {
    ...side,
    async mkdir(path, ...rest) {
      check(path);
      return side.mkdir(path, ...rest);
    },
    async rename(from, to, ...rest) {
      check(to);
      return side.rename(from, to, ...rest);
    },
    async setStat(path, ...rest) {
      check(path);
      return side.setStat(path, ...rest);
    },
    async remove(path, ...rest) {
      check(path);
      return side.remove(path, ...rest);
    },
    async rmdir(path, ...rest) {
      check(path);
      return side.rmdir(path, ...rest);
    },
    async symlink(target, path, ...rest) {
      check(path);
      return side.symlink(target, path, ...rest);
    },
  };
}
