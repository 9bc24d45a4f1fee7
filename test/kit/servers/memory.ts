/**
 * An endpoint in memory, for tests of what uses endpoints; the same suite as for the real ones holds it to
 * the contract. Calls are answered in order, each in a later turn of the event loop.
 */
import type { Attributes, Entry, Kind, Stat } from '../../../src/core/entry.js';
import { nameOf, parentOf } from '../../../src/core/entry.js';
import { FerryError } from '../../../src/core/errors.js';
import type { Capabilities, Endpoint, Handle, OpenMode } from '../../../src/endpoints/endpoint.js';
import type { Tree } from '../files/tree.js';

interface Node {
  readonly kind: Kind;
  data: Buffer;
  mode: number;
  mtime: number;
  readonly target: string;
  readonly serial: number;
}

export interface MemoryOptions {
  readonly label?: string;
  readonly can?: Partial<Capabilities>;
  readonly ignoresCase?: boolean;
  /** Its entries at the start; folders above a file need no entry of their own. */
  readonly tree?: Tree;
  /** The clock for new entries, in seconds since the epoch; default: always 1,700,000,000. */
  readonly now?: () => number;
}

export interface MemoryEndpoint extends Endpoint {
  /** Puts a file, folder (`null`) or link at a path, in place of whatever was there. */
  put(path: string, content: Tree[string], attributes?: Attributes): void;
  /** Removes a path and all below it. */
  drop(path: string): void;
  /** All entries, as `readTree` returns a folder, hidden names included. */
  tree(): Tree;
  /** A file's bytes; undefined when there is none. */
  bytes(path: string): Buffer | undefined;
  /** Handles open now. */
  openHandles(): number;
}

export function memoryEndpoint(options: MemoryOptions = {}): MemoryEndpoint {
  const can: Capabilities = {
    atomicReplace: true,
    mtimePrecision: 1e-9,
    setStat: 'pipelined',
    clockOffset: 0,
    fsync: true,
    hardLinks: true,
    copyData: true,
    offsetWrites: true,
    maxHandles: 1000,
    maxRead: 256 * 1024,
    maxWrite: 256 * 1024,
    roundTrip: 0,
    requestsAtOnce: Number.POSITIVE_INFINITY,
    ...options.can,
  };
  const now = options.now ?? (() => 1_700_000_000);
  const key = (path: string) => (options.ignoresCase === true ? path.toLowerCase() : path);
  const nodes = new Map<string, { readonly path: string; readonly node: Node }>();
  let serial = 0;
  let handles = 0;
  let closed = false;

  const make = (kind: Kind, mode: number, rest: Partial<Node> = {}): Node => ({
    ...{ kind, data: Buffer.alloc(0), mode, mtime: now(), target: '', serial: serial++ },
    ...rest,
  });
  const get = (path: string) => nodes.get(key(path))?.node;
  const set = (path: string, node: Node) => void nodes.set(key(path), { path, node });
  set('', make('folder', 0o755));

  const fail = (code: string, what: string, path: string): FerryError =>
    new FerryError('io', `${what}: ${code}`, { code, path });
  const confined = (path: string) => {
    if (path === '') return;
    const segments = path.split('/');
    if (path.includes('\0') || segments.some((s) => s === '' || s === '.' || s === '..'))
      throw new FerryError('hostile-peer', 'the path leads outside the root', { path });
    if (segments.some((segment) => Buffer.byteLength(segment) > 255))
      throw fail('ENAMETOOLONG', 'the name is too long', path);
  };
  const need = (path: string): Node => {
    const parent = path === '' ? undefined : get(parentOf(path));
    if (parent !== undefined && parent.kind !== 'folder') throw fail('ENOTDIR', 'no folder', path);
    const node = get(path);
    if (node === undefined) throw fail('ENOENT', 'nothing there', path);
    return node;
  };
  const needParent = (path: string) => {
    const parent = get(parentOf(path));
    if (parent === undefined) throw fail('ENOENT', 'no folder for it', path);
    if (parent.kind !== 'folder') throw fail('ENOTDIR', 'no folder', path);
  };
  const below = (folder: string) =>
    [...nodes.values()].filter(({ path }) => path !== '' && key(parentOf(path)) === key(folder));
  const show = (node: Node): Stat => ({
    kind: node.kind,
    size: node.data.length,
    mtime: node.mtime,
    mode: node.mode,
    identity: `${node.serial}`,
  });
  const change = (node: Node, { mode, mtime }: Attributes) => {
    if (mode !== undefined) node.mode = mode & 0o1777;
    if (mtime !== undefined)
      node.mtime =
        can.mtimePrecision < 1
          ? mtime
          : Math.floor(mtime / can.mtimePrecision) * can.mtimePrecision;
  };

  /** One call: its paths are checked; it is carried out in a later turn unless aborted before. */
  const call = async <T>(
    signal: AbortSignal | undefined,
    paths: readonly string[],
    work: () => T,
  ) => {
    for (const path of paths) confined(path);
    signal?.throwIfAborted();
    await new Promise(setImmediate);
    signal?.throwIfAborted();
    if (closed) throw new FerryError('network', 'the endpoint is closed');
    return work();
  };

  const handleFor = (node: Node, path: string, writable: boolean): Handle => {
    let open = true;
    handles++;
    const check = () => {
      if (!open) throw fail('EBADF', 'the handle is closed', path);
    };
    return {
      read: (buffer, position, signal) =>
        call(signal, [], () => {
          check();
          const end = Math.min(node.data.length, position + buffer.length);
          return position >= end ? 0 : node.data.copy(buffer, 0, position, end);
        }),
      write: (buffer, position, signal) =>
        call(signal, [], () => {
          check();
          if (!writable) throw fail('EBADF', 'the file is open for reading', path);
          const size = Math.max(node.data.length, position + buffer.length);
          if (size > node.data.length) {
            const grown = Buffer.alloc(size);
            node.data.copy(grown);
            node.data = grown;
          }
          buffer.copy(node.data, position);
          node.mtime = now();
        }),
      stat: (signal) =>
        call(signal, [], () => {
          check();
          return show(node);
        }),
      copyFrom: (source, bytes, signal) =>
        call(signal, [source], () => {
          check();
          if (!can.copyData) throw fail('ENOTSUP', 'no copies here', source);
          const other = need(source);
          if (other.kind !== 'file') throw fail('EISDIR', 'it is no file', source);
          node.data = Buffer.from(other.data.subarray(0, bytes));
          return show(other);
        }),
      finish: ({ data, attributes }, signal) =>
        call(signal, [], () => {
          check();
          if (data !== undefined) node.data = Buffer.from(data);
          if (can.setStat !== 'none') change(node, attributes);
          open = false;
          handles--;
          return show(node);
        }),
      async close() {
        await new Promise(setImmediate);
        if (open) handles--;
        open = false;
      },
    };
  };

  const put: MemoryEndpoint['put'] = (path, content, attributes = {}) => {
    const parent = parentOf(path);
    if (path !== '' && get(parent) === undefined) put(parent, null);
    const node =
      content === null
        ? make('folder', 0o755)
        : typeof content === 'string' || Buffer.isBuffer(content)
          ? make('file', 0o644, { data: Buffer.from(content) })
          : make('link', 0o777, { target: content.link });
    change(node, attributes);
    set(path, node);
  };
  for (const [path, content] of Object.entries(options.tree ?? {}))
    put(path.replace(/\/$/, ''), content);

  return {
    label: options.label ?? 'memory',
    root: '/',
    can,
    put,
    drop(path) {
      for (const { path: other } of [...nodes.values()])
        if (other === path || other.startsWith(`${path}/`)) nodes.delete(key(other));
    },
    tree: () =>
      Object.fromEntries(
        [...nodes.values()]
          .filter(
            ({ path, node }) => path !== '' && (node.kind !== 'folder' || below(path).length === 0),
          )
          .sort((a, b) => (a.path < b.path ? -1 : 1))
          .map(({ path, node }) =>
            node.kind === 'folder'
              ? [`${path}/`, null]
              : node.kind === 'link'
                ? [path, { link: node.target }]
                : [path, node.data.toString()],
          ),
      ),
    bytes: (path) => {
      const node = get(path);
      return node?.kind === 'file' ? Buffer.from(node.data) : undefined;
    },
    openHandles: () => handles,

    list: (folder, signal) =>
      call(signal, [folder], (): Entry[] => {
        if (need(folder).kind !== 'folder') throw fail('ENOTDIR', 'not a folder', folder);
        return below(folder).map(({ path, node }) => ({ name: nameOf(path), ...show(node) }));
      }),
    stat: (path, signal) =>
      call(signal, [path], () => {
        const node = get(path);
        return node === undefined ? undefined : show(node);
      }),
    open: (path: string, mode: OpenMode, permissions: number, signal: AbortSignal) =>
      call(signal, [path], () => {
        if (mode === 'create') {
          needParent(path);
          if (get(path) !== undefined) throw fail('EEXIST', 'it exists', path);
          const node = make('file', permissions & 0o777);
          set(path, node);
          return handleFor(node, path, true);
        }
        const node = need(path);
        if (node.kind === 'link') throw fail('ELOOP', 'it is a link', path);
        if (node.kind === 'folder') throw fail('EISDIR', 'it is a folder', path);
        return handleFor(node, path, mode === 'update');
      }),
    readWhole: (path, target, signal) =>
      call(signal, [path], () => {
        const node = need(path);
        if (node.kind === 'link') throw fail('ELOOP', 'it is a link', path);
        const bytes = node.data.copy(target);
        return { bytes, before: show(node), after: show(node) };
      }),
    mkdir: (path, permissions, signal) =>
      call(signal, [path], () => {
        needParent(path);
        if (get(path) !== undefined) throw fail('EEXIST', 'it exists', path);
        set(path, make('folder', permissions & 0o777));
      }),
    rename: (from, to, replace, signal) =>
      call(signal, [from, to], () => {
        const node = need(from);
        needParent(to);
        const there = get(to);
        const itself = key(from) === key(to);
        if (there !== undefined && !itself) {
          if (!replace) throw fail('EEXIST', 'it exists', to);
          if (there.kind === 'folder' && node.kind !== 'folder')
            throw fail('EISDIR', 'a folder is there', to);
          if (there.kind !== 'folder' && node.kind === 'folder')
            throw fail('ENOTDIR', 'a file is there', to);
          if (below(to).length > 0) throw fail('ENOTEMPTY', 'a folder is there', to);
        }
        if (`${to}/`.startsWith(`${from}/`) && to !== from)
          throw fail('EINVAL', 'a folder into itself', to);
        const moved = [...nodes.values()].filter(
          ({ path }) => path === from || path.startsWith(`${from}/`),
        );
        for (const { path } of moved) nodes.delete(key(path));
        for (const { path, node: it } of moved) set(to + path.slice(from.length), it);
      }),
    link: (from, to, signal) =>
      call(signal, [from, to], () => {
        if (!can.hardLinks) throw fail('ENOTSUP', 'no hard links', to);
        const node = need(from);
        needParent(to);
        if (node.kind === 'folder') throw fail('EPERM', 'it is a folder', to);
        if (get(to) !== undefined) throw fail('EEXIST', 'it exists', to);
        set(to, node);
        return show(node);
      }),
    setStat: (path, attributes, signal) =>
      call(signal, [path], () => change(need(path), attributes)),
    remove: (path, signal) =>
      call(signal, [path], () => {
        if (need(path).kind === 'folder') throw fail('EISDIR', 'it is a folder', path);
        nodes.delete(key(path));
      }),
    rmdir: (path, signal) =>
      call(signal, [path], () => {
        if (need(path).kind !== 'folder') throw fail('ENOTDIR', 'it is no folder', path);
        if (below(path).length > 0) throw fail('ENOTEMPTY', 'the folder is not empty', path);
        nodes.delete(key(path));
      }),
    readlink: (path, signal) =>
      call(signal, [path], () => {
        const node = need(path);
        if (node.kind !== 'link') throw fail('EINVAL', 'it is no link', path);
        return node.target;
      }),
    symlink: (target, path, signal) =>
      call(signal, [path], () => {
        needParent(path);
        if (get(path) !== undefined) throw fail('EEXIST', 'it exists', path);
        set(path, make('link', 0o777, { target }));
      }),
    async close() {
      closed = true;
    },
  };
}
