/** Opens files on a server, and reads small ones as a whole. */
import type { Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import { confine } from '../confine.js';
import type { Handle, OpenMode, WholeFile } from '../endpoint.js';
import type { BareFailure } from './bare-failure.js';
import type { SftpChannel } from './client/channel.js';
import { openFlag } from './client/wire.js';
import { type HandleRules, SftpFile } from './handle.js';
import type { HandleLimit } from './handle-limit.js';
import type { Quirks } from './quirks.js';
import { isLost } from './repeat.js';
import { asFile, statEntry } from './stat.js';

const flags: Readonly<Record<OpenMode, number>> = {
  read: openFlag.READ,
  create: openFlag.WRITE | openFlag.CREAT | openFlag.EXCL,
  update: openFlag.READ | openFlag.WRITE,
};

interface FileParts {
  readonly root: string;
  /** Whether the server is expected to carry out requests in order. */
  readonly ordered: boolean;
  readonly failure: BareFailure;
  readonly rules: HandleRules;
}

export interface Files {
  open(
    channel: SftpChannel,
    handles: HandleLimit,
    path: string,
    mode: OpenMode,
    permissions: number,
    signal: AbortSignal,
    beside?: Handle,
  ): Promise<SftpFile>;
  readWhole(
    channel: SftpChannel,
    handles: HandleLimit,
    path: string,
    target: Buffer,
    signal: AbortSignal,
  ): Promise<WholeFile>;
}

export function createFiles({ root, ordered, failure, rules }: FileParts): Files {
  const { quirks } = rules;
  const open: Files['open'] = (channel, handles, path, mode, permissions, signal, beside) => {
    const at = confine(root, path);
    const held = beside && placeOf(beside, handles);
    const attributes = mode === 'create' ? { mode: permissions } : {};
    const ask = (wanted: number) =>
      handles.open(channel, () => channel.open(at, wanted, attributes, signal), signal, held);
    const look = () => statEntry(channel, handles, at, signal);
    const opened = (handle: Buffer) =>
      new SftpFile({ channel, handle, path, at, signal, handles }, rules);
    if (mode === 'create')
      return createNew(ask, look, quirks).then(opened, async (error) => {
        throw await failure.explain(error, channel, handles, path, signal);
      });
    if (mode === 'read') return ask(flags.read).then(opened);
    // SFTP v3 can't forbid following a link, so a link is refused before the file is opened
    return look().then((there) => {
      if (there !== undefined && there.kind !== 'file')
        throw new FerryError('io', `it is a ${there.kind}, not a file`, { code: 'ELOOP', path });
      return ask(flags.update).then(opened);
    });
  };

  /** `overtaken`: requests that were sent together seem to have overtaken each other. */
  const readInSteps = async (
    overtaken: boolean,
    ...[channel, handles, path, target, signal]: Parameters<Files['readWhole']>
  ): Promise<WholeFile> => {
    const file = await open(channel, handles, path, 'read', 0, signal);
    try {
      const bytes = await file.read(target, 0, signal);
      const after = await file.stat(signal);
      if (overtaken) quirks.saw('disorder');
      return { bytes, before: undefined, after };
    } finally {
      file.close().catch(() => {}); // nothing was written through it
    }
  };

  return {
    open,
    readWhole(channel, handles, path, target, signal) {
      if (!ordered || quirks.expects('disorder'))
        return readInSteps(false, channel, handles, path, target, signal);
      const at = confine(root, path);
      const ask = () => channel.open(at, flags.read, {}, signal);
      return handles.open(channel, ask, signal).then((handle) =>
        channel.readWhole(handle, target, signal).then(
          (whole) => {
            handles.closed();
            // a short answer is the file's end only if its size agrees; a server may answer short anywhere
            if (whole?.bytes === target.length || (whole && whole.bytes === whole.stat.size))
              return { bytes: whole.bytes, before: undefined, after: asFile(whole.stat) };
            const overtaken = whole === undefined;
            return readInSteps(overtaken, channel, handles, path, target, signal);
          },
          (error) => {
            handles.closed();
            throw error;
          },
        ),
      );
    },
  };
}

/** Where a handle is open, as the limit of one session sees it. */
function placeOf(handle: Handle, handles: HandleLimit): 'here' | 'elsewhere' {
  return handle instanceof SftpFile && handle.isCountedBy(handles) ? 'here' : 'elsewhere';
}

/** Creates a file that must not exist. A server that has no exclusive creation is asked what is there first. */
function createNew(
  ask: (wanted: number) => Promise<Buffer>,
  look: () => Promise<Stat | undefined>,
  quirks: Quirks,
): Promise<Buffer> {
  if (quirks.expects('exclusive')) return createAfterLook(ask, look, quirks, undefined);
  return ask(flags.create).catch((error) => {
    const code = error instanceof FerryError ? error.code : undefined;
    if (code !== 'ENOTSUP' && code !== 'EINVAL' && code !== 'EFAILURE') throw error;
    return createAfterLook(ask, look, quirks, error);
  });
}

/** `refusal`: that of exclusive creation, if it was tried. */
async function createAfterLook(
  ask: (wanted: number) => Promise<Buffer>,
  look: () => Promise<Stat | undefined>,
  quirks: Quirks,
  refusal: FerryError | undefined,
): Promise<Buffer> {
  if ((await look()) !== undefined)
    throw refusal ?? new FerryError('io', 'something with this name exists', { code: 'EEXIST' });
  const handle = await ask(openFlag.WRITE | openFlag.CREAT | openFlag.TRUNC).catch((error) => {
    throw isLost(error) ? error : (refusal ?? error);
  });
  if (refusal !== undefined) quirks.saw('exclusive');
  return handle;
}

/** Opens a file that is being written on a further channel; refuses what is no file any more. */
export async function reopen(
  channel: SftpChannel,
  at: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const [there, handle] = await Promise.all([
    channel.lstat(at, signal),
    channel.open(at, flags.update, {}, signal),
  ]);
  if (there.kind === 'file') return handle;
  await channel.closeHandle(handle);
  throw new FerryError('io', `it is a ${there.kind ?? 'thing of unknown kind'}, not a file`);
}
