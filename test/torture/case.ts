/**
 * What the randomized test draws: two trees, a job, a server and what it does, faults, and changes that
 * others make in the middle of the run. A case is plain data, so that it prints, shrinks and replays.
 */
import fc from 'fast-check';
import type { RequestType } from '../../src/test-server/sftp-server.js';

/** What a file holds: `size` times the same letter, so that a mixture or a part of it shows. */
interface Content {
  readonly letter: string;
  readonly size: number;
  /** An index into `mtimes`. */
  readonly mtime: number;
}

export interface Node extends Content {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
}

/** Seconds since the epoch. Two of them are far apart, however a server rounds them. */
export const mtimes = [1_600_000_000, 1_600_100_000, 1_600_200_000.25, 2_200_000_000];

/** Where a link leads to, by its size: a file inside, a folder inside, outside, nowhere. */
export const linkTargets = ['a', 'f', '../canary', 'gone'];

const quirks = [
  'posixRenameRefused',
  'renameReplaces',
  'setstatRefused',
  'setstatIgnored',
  'setstatNoSuchFile',
  'mtimeHour',
  'mtimeTwoSeconds',
  'mtimeClamped',
  'exclusiveRefused',
  'noTypes',
  'noModes',
  'shortReads',
  'linkWithoutEffect',
  'handleDroppedAtEnd',
  'fewNames',
  'noOrder',
  'fewHandles',
  'fewHandlesDenied',
] as const;
export type Quirk = (typeof quirks)[number];

export interface Server {
  /** Whether it is OpenSSH, and keeps requests in order. */
  readonly isOpenSsh: boolean;
  readonly extensions: readonly string[];
  /** The most bytes of one READ or WRITE. */
  readonly most: number;
  readonly channels: number;
  readonly quirks: readonly Quirk[];
}

/** What becomes of one request. */
export interface Fault {
  readonly side: 'source' | 'destination';
  readonly type: RequestType | 'any' | 'rename';
  /** Which request of this type, from 0. */
  readonly nth: number;
  readonly what:
    | ('cut' | 'cut-after-doing' | 'fail' | 'denied' | 'missing')
    /** A rename is cut, and its temporary file is gone. */
    | 'taken'
    /** The answer is OK, and nothing was done. */
    | 'untrue';
  /** Whether further requests of this type for the same path are refused, too, until the run ends. */
  readonly lasts: boolean;
}

/** What somebody else does right before a request. */
export interface Change extends Content {
  readonly side: 'source' | 'destination';
  readonly path: string;
  /** Before which request of this type, on any side, from 0. */
  readonly type: RequestType | 'any' | 'rename';
  readonly nth: number;
  /** `swap`: a folder of this machine gives way to a link that leads out of the root. */
  readonly act: 'write' | 'append' | 'cut' | 'remove' | 'folder' | 'swap';
  /** The path is that which the request is about, if it is about one. */
  readonly isThere: boolean;
}

interface Options {
  readonly compare: 'auto' | 'mtime' | 'size' | 'checksum';
  readonly existing: 'overwrite' | 'newer' | 'skip';
  readonly verify: 'size' | 'checksum';
  readonly trash: boolean;
  readonly after: 'keep' | 'delete' | 'archive';
  readonly modes: 'source' | 'server' | 'set';
  readonly symlinks: 'skip' | 'follow' | 'preserve';
  readonly fsync: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly deleteAll: boolean;
  /** Whether somebody said yes to the deletions of a first contact. */
  readonly approved: boolean;
  readonly maxFiles: number;
  readonly live: readonly string[];
  readonly isDry: boolean;
}

export interface Case {
  /** Which sides are remote: the destination, the source, both on two servers, both on one. */
  readonly shape: 'up' | 'down' | 'across' | 'within';
  readonly operation: 'transfer' | 'mirror';
  readonly source: readonly Node[];
  readonly destination: readonly Node[];
  readonly options: Options;
  readonly server: Server;
  readonly faults: readonly Fault[];
  readonly changes: readonly Change[];
}

const names = ['a', 'b', 'A', 'c.txt', 't.tmp'];
const path = fc.oneof(
  fc.constantFrom(...names),
  fc
    .tuple(fc.constantFrom('f', 'skip', 'a', 'f/g'), fc.constantFrom(...names))
    .map(([folder, name]) => `${folder}/${name}`),
);
const size = fc.constantFrom(0, 1, 300, 700, 5000);

const content = (letters: string) =>
  fc.record({
    letter: fc.constantFrom(...letters),
    size,
    mtime: fc.nat(mtimes.length - 1),
  });

const node = (letters: string): fc.Arbitrary<Node> =>
  fc
    .record({
      path,
      kind: fc.oneof(
        { weight: 10, arbitrary: fc.constant('file' as const) },
        { weight: 1, arbitrary: fc.constant('folder' as const) },
        { weight: 1, arbitrary: fc.constant('link' as const) },
      ),
      content: content(letters),
    })
    .map(({ content, ...rest }) => ({ ...rest, ...content }));

const tree = (letters: string) =>
  fc.uniqueArray(node(letters), { maxLength: 7, selector: ({ path }) => path }).map(grow);

/** Without entries below a file or link. */
function grow(nodes: readonly Node[]): Node[] {
  const leaves = new Set(nodes.filter(({ kind }) => kind !== 'folder').map(({ path }) => path));
  const isBelow = (at: string): boolean => {
    const parent = at.slice(0, Math.max(0, at.lastIndexOf('/')));
    return parent !== '' && (leaves.has(parent) || isBelow(parent));
  };
  return nodes.filter(({ path }) => !isBelow(path));
}

const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );

const options: fc.Arbitrary<Options> = fc.record({
  compare: mostly<Options['compare']>('auto', 'mtime', 'size', 'checksum'),
  existing: mostly<Options['existing']>('overwrite', 'newer', 'skip'),
  verify: mostly<Options['verify']>('size', 'checksum'),
  trash: fc.boolean(),
  after: mostly<Options['after']>('keep', 'delete', 'archive'),
  modes: mostly<Options['modes']>('source', 'server', 'set'),
  symlinks: mostly<Options['symlinks']>('skip', 'follow', 'preserve'),
  fsync: mostly(false, true),
  include: mostly<string[]>([], ['*.txt', 'a']),
  exclude: mostly<string[]>([], ['*.tmp'], ['skip/'], ['*.tmp', 'skip/', '/b']),
  deleteAll: mostly(true, false),
  approved: mostly(true, false),
  maxFiles: fc.constantFrom(0, 1),
  live: mostly<string[]>([], ['b', '*.txt']),
  isDry: fc.oneof(
    { weight: 15, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
});

export const allExtensions = [
  'posix-rename@openssh.com',
  'hardlink@openssh.com',
  'fsync@openssh.com',
  'limits@openssh.com',
  'copy-data',
];

const server: fc.Arbitrary<Server> = fc.record({
  isOpenSsh: fc.boolean(),
  extensions: fc.oneof(fc.constant(allExtensions), fc.subarray(allExtensions)),
  most: fc.constantFrom(512, 261_120),
  channels: fc.constantFrom(1, 2, 9),
  quirks: fc.oneof(fc.constant([]), fc.subarray([...quirks], { maxLength: 2 })),
});

const side = fc.constantFrom('source' as const, 'destination' as const);
type What = Fault['what'];

/** A fault of one of these types that does one of these things. */
const faultOf = (types: readonly Fault['type'][], whats: readonly What[], most = 2) =>
  fc.record({
    side,
    type: fc.constantFrom(...types),
    nth: fc.nat(most),
    what: fc.constantFrom(...whats),
    lasts: fc.boolean(),
  });

const refusals: readonly What[] = ['fail', 'denied'];
const cuts: readonly What[] = ['cut', 'cut-after-doing'];
const fault: fc.Arbitrary<Fault> = fc.oneof(
  // the first requests of a run are its login
  { weight: 3, arbitrary: faultOf(['any'], cuts, 50).map((it) => ({ ...it, nth: it.nth + 4 })) },
  {
    weight: 4,
    arbitrary: faultOf(
      ['OPEN', 'READ', 'WRITE', 'CLOSE', 'LSTAT', 'FSTAT', 'MKDIR', 'RMDIR', 'EXTENDED'],
      [...refusals, ...cuts],
    ),
  },
  // a stat that denies what is there would be a lie, no fault
  { weight: 2, arbitrary: faultOf(['OPENDIR', 'READDIR'], [...refusals, 'missing']) },
  { weight: 1, arbitrary: faultOf(['SETSTAT', 'FSETSTAT'], [...refusals, ...cuts, 'missing']) },
  { weight: 3, arbitrary: faultOf(['rename'], [...refusals, ...cuts, 'taken', 'untrue'], 3) },
  { weight: 2, arbitrary: faultOf(['REMOVE'], [...refusals, ...cuts, 'untrue']) },
);

/** When something happens to a side is most interesting. */
const moments: Readonly<Record<Change['side'], readonly Change['type'][]>> = {
  source: ['READ', 'READ', 'OPEN', 'FSTAT', 'WRITE', 'CLOSE'],
  destination: ['LSTAT', 'REMOVE', 'rename', 'OPEN', 'CLOSE', 'OPENDIR'],
};

const changeOf = (at: Change['side']) =>
  fc.record({
    side: fc.constant(at),
    path,
    pick: fc.nat(9),
    when: fc.oneof(
      fc.record({ type: fc.constant('any' as const), nth: fc.integer({ min: 6, max: 45 }) }),
      fc.record({ type: fc.constantFrom(...moments[at]), nth: fc.nat(3) }),
    ),
    isThere: fc.boolean(),
    act: fc.constantFrom<Change['act'][]>(
      ...(['write', 'write', 'append', 'cut', 'remove', 'folder', 'swap'] as const),
    ),
    content: content('-'),
  });

/** Each change has a letter of its own. */
const changes = fc
  .array(fc.oneof(changeOf('source'), changeOf('destination')), { minLength: 1, maxLength: 3 })
  .map((list) =>
    list.map(({ content, when, pick, ...rest }, n) => ({
      change: { ...rest, ...when, ...content, letter: 'XYZ'[n] as string } satisfies Change,
      pick,
    })),
  );

const none = <T>(some: fc.Arbitrary<T[]>) => fc.oneof(fc.constant([] as T[]), some);

/** What the destination has of a source's file: nothing, the same, another that looks the same, an older, another one. */
const copied = fc.constantFrom('none', 'none', 'same', 'twin', 'older', 'other', 'other');

/** A destination that shares some paths with the source. */
function relatedTo(source: readonly Node[], how: readonly string[], own: readonly Node[]): Node[] {
  const shared = source.flatMap((node, n): Node[] => {
    const { mtime, size } = node;
    switch (how[n % how.length]) {
      case 'same':
        return [node];
      case 'twin':
        return [{ ...node, letter: 'x' }];
      case 'older':
        return [{ ...node, letter: 'x', mtime: (mtime + 1) % 3 }];
      case 'other':
        return [{ ...node, letter: 'y', size: size + 1, mtime: (mtime + 2) % 3 }];
      default:
        return [];
    }
  });
  const taken = new Set(shared.map((node) => node.path));
  return grow([...shared, ...own.filter((node) => !taken.has(node.path))]);
}

export const anyCase: fc.Arbitrary<Case> = fc
  .record({
    shape: fc.constantFrom<Case['shape'][]>('up', 'up', 'down', 'down', 'across', 'within'),
    operation: fc.constantFrom<Case['operation'][]>('transfer', 'mirror'),
    source: tree('abc'),
    own: tree('abcxy'),
    how: fc.array(copied, { minLength: 1, maxLength: 5 }),
    options,
    server,
    faults: none(fc.array(fault, { minLength: 1, maxLength: 4 })),
    changes: none(changes),
  })
  .map(({ changes, own, how, ...rest }) => {
    const drawn = { ...rest, destination: relatedTo(rest.source, how, own) };
    const paths = [...drawn.destination, ...drawn.source].map((node) => node.path);
    const aimed = changes.map(({ change, pick }) => ({
      ...change,
      path: paths[pick] ?? change.path,
    }));
    return sensible({ ...drawn, changes: aimed });
  });

/** Leaves out what no rule decides. */
function sensible(drawn: Case): Case {
  const { options, server, operation } = drawn;
  // without any type a link looks like what it leads to, which may change in the middle of a run
  const withoutLinks = (nodes: readonly Node[]) =>
    server.quirks.includes('noModes') ? nodes.filter(({ kind }) => kind !== 'link') : nodes;
  return {
    ...drawn,
    source: withoutLinks(drawn.source),
    destination: withoutLinks(drawn.destination),
    // a rename that is no truth is noticed where the source is given up for it
    faults: drawn.faults.map((it) =>
      it.what === 'untrue' &&
      it.type !== 'REMOVE' &&
      (options.after === 'keep' || operation === 'mirror')
        ? { ...it, what: 'fail' }
        : it,
    ),
  };
}
