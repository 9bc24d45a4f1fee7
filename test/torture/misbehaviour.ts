/** What the drawn server does to each request: its quirks for good, its faults once, counted by requests. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { isOurs } from '../../src/core/entry.js';
import { limitsReply, statusCode, statusReply } from '../../src/test-server/sftp-server.js';
import type { Asked, Behave, Behaviour } from '../kit/servers/hostile-folder.js';
import { isRename, oneOf } from '../kit/servers/hostile-replies.js';
import { says, storesMtimes } from '../kit/servers/odd-attributes.js';
import { dropsHandleAtEnd, noTypes, twoNames } from '../kit/servers/odd-listings.js';
import type { Fault, Quirk, Server } from './case.js';

const setsAttributes = ({ type }: Asked) => type === 'SETSTAT' || type === 'FSETSTAT';
const refusing =
  (refuse: number, when: (asked: Asked) => boolean): Behave =>
  (asked) =>
    when(asked) ? { refuse, message: 'not here' } : 'normal';
const isExtension = (asked: Asked, name: string) =>
  asked.type === 'EXTENDED' && asked.extension === `${name}@openssh.com`;

const exclusive = 32;
const latest = 0x7fff_ffff;

/** With `concurrent`: a WRITE is done after what was sent after it. */
const slowWrites = async ({ type }: Asked): Promise<'normal'> => {
  if (type === 'WRITE') for (let i = 0; i < 3; i++) await new Promise((next) => setImmediate(next));
  return 'normal';
};

/** At most so many open handles a channel; a further one is refused by this code. */
function fewHandles(most: number, refuse: number): Behave {
  const open = new Map<number, number>();
  return (asked) => {
    const { type, channel } = asked;
    const now = open.get(channel) ?? 0;
    if (type === 'CLOSE') open.set(channel, now - 1);
    if (type !== 'OPEN' && type !== 'OPENDIR') return 'normal';
    if (now >= most) return { refuse, message: 'too many' };
    return {
      alter: (reply) => {
        if (reply[4] === 102) open.set(channel, (open.get(channel) ?? 0) + 1);
        return reply;
      },
    };
  };
}

/** Ways of a server that stay. `root` is the served folder. */
const ways: Readonly<Record<Quirk, (root: string) => Behave>> = {
  posixRenameRefused: () =>
    refusing(statusCode.FAILURE, (asked) => isExtension(asked, 'posix-rename')),
  renameReplaces: (root) => (asked) => {
    if (asked.type !== 'RENAME') return 'normal';
    try {
      renameSync(join(root, asked.path), join(root, asked.to));
      return statusReply(asked.id, statusCode.OK);
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      return { refuse: isGone ? statusCode.NO_SUCH_FILE : statusCode.FAILURE };
    }
  },
  setstatRefused: () => refusing(statusCode.UNSUPPORTED, setsAttributes),
  setstatIgnored: () => (asked) =>
    setsAttributes(asked) ? statusReply(asked.id, statusCode.OK) : 'normal',
  setstatNoSuchFile: () => refusing(statusCode.NO_SUCH_FILE, setsAttributes),
  mtimeHour: () => storesMtimes((mtime) => Math.min(mtime + 3600, 0xffff_ffff)),
  mtimeTwoSeconds: () => storesMtimes((mtime) => mtime - (mtime % 2)),
  mtimeClamped: () => storesMtimes((mtime) => Math.min(mtime, latest)),
  exclusiveRefused: () =>
    refusing(statusCode.FAILURE, ({ type, flags }) => type === 'OPEN' && (flags & exclusive) !== 0),
  noTypes: () => noTypes,
  noModes: () => says(() => ({ mode: undefined })),
  shortReads: () => (asked) =>
    asked.type === 'READ' && asked.length > 200 ? { instead: { ...asked, length: 200 } } : 'normal',
  linkWithoutEffect: () => (asked) =>
    isExtension(asked, 'hardlink') ? statusReply(asked.id, statusCode.OK) : 'normal',
  handleDroppedAtEnd: dropsHandleAtEnd,
  fewNames: twoNames,
  noOrder: () => slowWrites,
  fewHandles: () => fewHandles(3, statusCode.FAILURE),
  fewHandlesDenied: () => fewHandles(6, statusCode.PERMISSION_DENIED),
};

export function waysOf({ quirks, most }: Server, root: string): Behave {
  const limits: Behave = (asked) =>
    isExtension(asked, 'limits') ? limitsReply(asked.id, most) : 'normal';
  return oneOf(limits, ...quirks.map((quirk) => ways[quirk](root)));
}

const refusals = {
  fail: statusCode.FAILURE,
  denied: statusCode.PERMISSION_DENIED,
  missing: statusCode.NO_SUCH_FILE,
} as const;

/** Whether a request is of the type that a fault or change waits for. */
export function isOf(type: Fault['type'], asked: Asked): boolean {
  return type === 'any' || type === asked.type || (type === 'rename' && isRename(asked));
}

/** The path below a side that a request is about: its final name if it has a temporary one. */
export function pathOf({ at, path, to }: Asked): string | undefined {
  for (const name of [at, path, to]) {
    const found = /^\/(?:source|destination)\/(.+)$/.exec(name)?.[1];
    if (found === undefined || found.startsWith('.ferryline')) continue;
    return finalName(found);
  }
  return undefined;
}

/** The final name of what has a temporary one, or is aside. */
export function finalName(path: string): string {
  return path.replace(/(^|\/)\.([^/]+)\.[0-9a-f]{16,}\.[^/]*$/, '$1$2');
}

interface Waiting {
  readonly fault: Fault;
  /** Requests of its kind so far. */
  before: number;
  /** The first request that it has met. */
  at?: { readonly type: string; readonly path: string };
}

/** Faults that wait for their request. */
export class Faults {
  readonly #left: Waiting[];
  /** Those that have happened, with their request. */
  readonly done: { readonly fault: Fault; readonly asked: Asked }[] = [];

  readonly #take: (path: string) => void;

  /** `take` removes a file by its path on the server. */
  constructor(faults: readonly Fault[], take: (path: string) => void) {
    this.#take = take;
    this.#left = faults.map((fault) => ({ fault, before: 0 }));
  }

  at(side: Fault['side'], asked: Asked): Behaviour {
    if (asked.type === 'INIT') return 'normal';
    let chosen: Behaviour = 'normal';
    for (const left of [...this.#left]) {
      const { fault } = left;
      if (fault.side !== side || !isOf(fault.type, asked)) continue;
      // the run's beginning asks for the limits; a server that refuses them does not offer them
      if (fault.type === 'EXTENDED' && isExtension(asked, 'limits')) continue;
      const isAgain = left.at?.type === asked.type && left.at.path === asked.at;
      if (left.at === undefined ? left.before++ < fault.nth : !isAgain) continue;
      if (chosen !== 'normal') continue;
      if (!fault.lasts) this.#left.splice(this.#left.indexOf(left), 1);
      left.at = { type: asked.type, path: asked.at };
      this.done.push({ fault, asked });
      chosen = this.#behaviourOf(fault, asked);
    }
    return chosen;
  }

  #behaviourOf({ what }: Fault, asked: Asked): Behaviour {
    switch (what) {
      case 'cut':
      case 'cut-after-doing':
        return what;
      case 'untrue':
        return statusReply(asked.id, statusCode.OK);
      case 'taken':
        if (isRename(asked) && isOurs(asked.path.split('/').at(-1) ?? '')) this.#take(asked.path);
        return 'cut';
      default:
        return { refuse: refusals[what], message: 'a drawn fault' };
    }
  }

  end(): void {
    this.#left.length = 0;
  }
}

/** Whether a request changes what is at its path, or at the path it names second. */
export function changesSomething(asked: Asked): boolean {
  const { type, flags } = asked;
  if (type === 'OPEN') return (flags & ~1) !== 0;
  return (
    ['SETSTAT', 'REMOVE', 'MKDIR', 'RMDIR', 'SYMLINK'].includes(type) ||
    isRename(asked) ||
    isExtension(asked, 'hardlink')
  );
}
