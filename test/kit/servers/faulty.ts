/** Wraps an endpoint in scripted faults: calls fail, wait, or let a test act before or after them. */
import { FerryError } from '../../../src/core/errors.js';
import type { Endpoint, Handle } from '../../../src/endpoints/endpoint.js';

export type Method =
  | Exclude<keyof Endpoint, 'label' | 'root' | 'can'>
  | `handle.${Exclude<keyof Handle, symbol>}`;

export interface Call {
  readonly method: Method;
  /** Its path; for a handle the path it was opened for; for a rename or hard link the old name. */
  readonly path: string;
  /** The new name of a rename or hard link; else empty. */
  readonly to: string;
  /** How many calls of this method came before. */
  readonly nth: number;
}

export interface Script {
  /** Runs before the call: if it throws, the call fails and nothing is done; a promise delays the call. */
  readonly before?: (call: Call) => void | Promise<void>;
  /** Runs after the call succeeded: if it throws, the call fails although it was done. */
  readonly after?: (call: Call) => void | Promise<void>;
}

export interface Faulty extends Endpoint {
  /** All calls so far, failed ones included. */
  readonly calls: readonly Call[];
  /** May be changed at any time. */
  script: Script;
}

export function faulty(inner: Endpoint, script: Script = {}): Faulty {
  const calls: Call[] = [];
  const counts = new Map<Method, number>();

  const through = async <T>(
    method: Method,
    path: string,
    work: () => Promise<T>,
    to = '',
  ): Promise<T> => {
    const nth = counts.get(method) ?? 0;
    counts.set(method, nth + 1);
    const call = { method, path, to, nth };
    calls.push(call);
    await self.script.before?.(call);
    const result = await work();
    await self.script.after?.(call);
    return result;
  };

  const wrapHandle = (path: string, handle: Handle): Handle => ({
    read: (...args) => through('handle.read', path, () => handle.read(...args)),
    write: (...args) => through('handle.write', path, () => handle.write(...args)),
    stat: (...args) => through('handle.stat', path, () => handle.stat(...args)),
    copyFrom: (...args) => through('handle.copyFrom', path, () => handle.copyFrom(...args)),
    finish: (...args) => through('handle.finish', path, () => handle.finish(...args)),
    close: () => through('handle.close', path, () => handle.close()),
  });

  const self: Faulty = {
    label: inner.label,
    root: inner.root,
    can: inner.can,
    calls,
    script,
    list: (...args) => through('list', args[0], () => inner.list(...args)),
    stat: (...args) => through('stat', args[0], () => inner.stat(...args)),
    open: (...args) =>
      through('open', args[0], async () => wrapHandle(args[0], await inner.open(...args))),
    readWhole: (...args) => through('readWhole', args[0], () => inner.readWhole(...args)),
    mkdir: (...args) => through('mkdir', args[0], () => inner.mkdir(...args)),
    rename: (...args) => through('rename', args[0], () => inner.rename(...args), args[1]),
    link: (...args) => through('link', args[0], () => inner.link(...args), args[1]),
    setStat: (...args) => through('setStat', args[0], () => inner.setStat(...args)),
    remove: (...args) => through('remove', args[0], () => inner.remove(...args)),
    rmdir: (...args) => through('rmdir', args[0], () => inner.rmdir(...args)),
    readlink: (...args) => through('readlink', args[0], () => inner.readlink(...args)),
    symlink: (...args) => through('symlink', args[1], () => inner.symlink(...args)),
    close: () => through('close', '', () => inner.close()),
  };
  return self;
}

/** A script that fails calls: the `where`th (from 0) of a method, or every call that `where` picks. */
export function failing(
  method: Method,
  where: number | ((call: Call) => boolean),
  error: FerryError = new FerryError('io', 'a scripted fault', { code: 'EIO' }),
): Script {
  return {
    before: (call) => {
      const hit = typeof where === 'number' ? call.nth === where : where(call);
      if (call.method === method && hit) throw error.at({ path: call.path });
    },
  };
}
