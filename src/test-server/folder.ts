/**
 * A folder of this machine behind the SFTP server of the demo and the tests: answers requests from
 * the file system. The folder is `/` and the login folder to the client. Permissions are those of
 * this process. The wire format is in sftp-server.ts.
 */
import * as fs from 'node:fs/promises';
import { canonicalPath, RootedPaths } from './rooted-paths.js';
import type { RawAttributes, Request } from './sftp-server.js';
import * as sftp from './sftp-server.js';
import { attributesOf, failureReply, systemFlags } from './system-to-sftp.js';

/** All extensions that it has; offered in VERSION by default. */
export const demoExtensions: Readonly<Record<string, string>> = {
  'posix-rename@openssh.com': '1',
  'hardlink@openssh.com': '1',
  'fsync@openssh.com': '1',
  'limits@openssh.com': '1',
  'copy-data': '1',
};

type OpenHandle =
  | { readonly kind: 'file'; readonly file: fs.FileHandle }
  | { readonly kind: 'folder'; readonly path: Buffer; names: string[] };

type OpenFolder = OpenHandle & { kind: 'folder' };

export interface FolderAnswers {
  readonly answer: (request: Request) => Promise<Buffer>;
  /** Closes what the client left open. */
  close(): Promise<void>;
}

/** A READ for more gets this many bytes. */
const largestReadBytes = 255 * 1024;
/** A READDIR gets at most this many names. */
const namesPerReply = 100;

/** Answers one client from `root` (absolute, its links resolved). Never rejects. */
export function answerFromFolder(
  root: string,
  extensions: Readonly<Record<string, string>> = demoExtensions,
): FolderAnswers {
  const folder = new ServedFolder(root, extensions);
  return {
    async answer(request) {
      try {
        return await folder.respond(request);
      } catch (error) {
        return failureReply(request.id, error as NodeJS.ErrnoException);
      }
    },
    close: () => folder.close(),
  };
}

class ServedFolder {
  readonly #paths: RootedPaths;
  readonly #extensions: Readonly<Record<string, string>>;
  readonly #open = new Map<string, OpenHandle>();
  #handlesOpened = 0;

  constructor(root: string, extensions: Readonly<Record<string, string>>) {
    this.#paths = new RootedPaths(root);
    this.#extensions = extensions;
  }

  async close(): Promise<void> {
    for (const handle of this.#open.values()) if (handle.kind === 'file') await handle.file.close();
    this.#open.clear();
  }

  /** Rejects with the system's error. */
  async respond(request: Request): Promise<Buffer> {
    const { id } = request;
    const path = (follow: boolean) => this.#paths.resolve(request.path, follow);
    switch (request.type) {
      case 'INIT':
        return sftp.versionReply(this.#extensions);
      case 'REALPATH':
        return sftp.nameReply(id, [{ name: canonicalPath(request.path), attributes: {} }]);
      case 'OPEN':
        return this.#openFile(request);
      case 'OPENDIR':
        return this.#openFolder(request);
      case 'READDIR':
        return this.#readFolder(request);
      case 'CLOSE':
        return this.#closeHandle(request);
      case 'READ':
        return this.#read(request);
      case 'WRITE':
        await this.#write(request);
        return okReply(id);
      case 'STAT':
        return sftp.attributesReply(id, attributesOf(await fs.stat(await path(true))));
      case 'LSTAT':
        return sftp.attributesReply(id, attributesOf(await fs.lstat(await path(false))));
      case 'FSTAT':
        return sftp.attributesReply(id, attributesOf(await this.#file(request).stat()));
      case 'SETSTAT':
        await setPathAttributes(await path(true), request.attributes);
        return okReply(id);
      case 'FSETSTAT':
        await setFileAttributes(this.#file(request), request.attributes);
        return okReply(id);
      case 'MKDIR':
        await fs.mkdir(await path(false), (request.attributes.mode ?? 0o777) & 0o7777);
        return okReply(id);
      case 'RMDIR':
        await fs.rmdir(await path(false));
        return okReply(id);
      case 'REMOVE':
        await fs.unlink(await path(false));
        return okReply(id);
      case 'RENAME':
        return this.#rename(request);
      case 'READLINK': {
        const target = await fs.readlink(await path(false), { encoding: 'buffer' });
        return sftp.nameReply(id, [{ name: target.toString('latin1'), attributes: {} }]);
      }
      case 'SYMLINK':
        await fs.symlink(Buffer.from(request.to, 'latin1'), await path(false));
        return okReply(id);
      case 'EXTENDED':
        return this.#extended(request);
      case 'UNKNOWN':
        return unsupportedReply(id);
    }
  }

  async #openFile({ id, path, flags, attributes }: Request): Promise<Buffer> {
    const file = await fs.open(
      await this.#paths.resolve(path, true),
      systemFlags(flags),
      (attributes.mode ?? 0o666) & 0o777,
    );
    return sftp.handleReply(id, this.#keep({ kind: 'file', file }));
  }

  async #openFolder(request: Request): Promise<Buffer> {
    const path = await this.#paths.resolve(request.path, true);
    const names = await fs.readdir(path, { encoding: 'buffer' });
    const all = ['.', '..', ...names.map((name) => name.toString('latin1'))];
    return sftp.handleReply(request.id, this.#keep({ kind: 'folder', path, names: all }));
  }

  async #readFolder({ id, handle }: Request): Promise<Buffer> {
    const folder = this.#open.get(handle);
    if (folder?.kind !== 'folder') return sftp.statusReply(id, sftp.statusCode.FAILURE);
    const lines = await nextLines(folder);
    return lines.length === 0
      ? sftp.statusReply(id, sftp.statusCode.EOF)
      : sftp.nameReply(id, lines);
  }

  async #closeHandle({ id, handle }: Request): Promise<Buffer> {
    const open = this.#open.get(handle);
    this.#open.delete(handle);
    if (open === undefined) return sftp.statusReply(id, sftp.statusCode.FAILURE);
    if (open.kind === 'file') await open.file.close();
    return okReply(id);
  }

  async #read(request: Request): Promise<Buffer> {
    const { id, offset } = request;
    const buffer = Buffer.allocUnsafe(Math.min(request.length, largestReadBytes));
    const { bytesRead } = await this.#file(request).read(buffer, 0, buffer.length, offset);
    return bytesRead === 0
      ? sftp.statusReply(id, sftp.statusCode.EOF)
      : sftp.dataReply(id, buffer.subarray(0, bytesRead));
  }

  async #write(request: Request): Promise<void> {
    const { data, offset } = request;
    const file = this.#file(request);
    for (let at = 0; at < data.length; ) {
      at += (await file.write(data, at, data.length - at, offset + at)).bytesWritten;
    }
  }

  /** Fails where the new name exists, as draft-ietf-secsh-filexfer-02 §6.5 wants it. */
  async #rename(request: Request): Promise<Buffer> {
    const from = await this.#paths.resolve(request.path, false);
    const to = await this.#paths.resolve(request.to, false);
    if ((await fs.lstat(from)).isFile()) {
      // unlike rename(2), link(2) never replaces a file
      await fs.link(from, to);
      await fs.unlink(from);
    } else if (await fs.lstat(to).catch(() => undefined)) {
      return sftp.statusReply(request.id, sftp.statusCode.FAILURE, 'file already exists');
    } else {
      await fs.rename(from, to);
    }
    return okReply(request.id);
  }

  async #extended(request: Request): Promise<Buffer> {
    const { id, extension } = request;
    if (!(extension in this.#extensions)) return unsupportedReply(id);
    switch (extension) {
      case 'posix-rename@openssh.com':
        await fs.rename(
          await this.#paths.resolve(request.path, false),
          await this.#paths.resolve(request.to, false),
        );
        return okReply(id);
      case 'hardlink@openssh.com':
        await fs.link(
          await this.#paths.resolve(request.path, false),
          await this.#paths.resolve(request.to, false),
        );
        return okReply(id);
      case 'copy-data':
        return this.#copyData(request);
      case 'fsync@openssh.com':
        await this.#file(request).sync();
        return okReply(id);
      case 'limits@openssh.com':
        return sftp.limitsReply(id, largestReadBytes);
      default:
        return unsupportedReply(id);
    }
  }

  /** Copies what there is of the range and answers OK, as OpenSSH's sftp-server does; length 0 means to the end. */
  async #copyData(request: Request): Promise<Buffer> {
    const { id, handle, toHandle, offset, length, toOffset } = request;
    const from = this.#file({ handle });
    const to = this.#file({ handle: toHandle });
    if (handle === toHandle) return sftp.statusReply(id, sftp.statusCode.FAILURE);
    const end = length === 0 ? Number.POSITIVE_INFINITY : offset + length;
    const buffer = Buffer.allocUnsafe(largestReadBytes);
    for (let at = offset; at < end; ) {
      const { bytesRead } = await from.read(buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) break;
      await to.write(buffer, 0, bytesRead, toOffset + at - offset);
      at += bytesRead;
    }
    return okReply(id);
  }

  #keep(open: OpenHandle): string {
    const handle = `h${this.#handlesOpened++}`;
    this.#open.set(handle, open);
    return handle;
  }

  #file({ handle }: Pick<Request, 'handle'>): fs.FileHandle {
    const open = this.#open.get(handle);
    if (open?.kind !== 'file') throw Object.assign(new Error('no such handle'), { code: 'EBADF' });
    return open.file;
  }
}

function okReply(id: number): Buffer {
  return sftp.statusReply(id, sftp.statusCode.OK);
}

function unsupportedReply(id: number): Buffer {
  return sftp.statusReply(id, sftp.statusCode.UNSUPPORTED, 'operation unsupported');
}

async function setPathAttributes(path: Buffer, attributes: RawAttributes): Promise<void> {
  const { size, mode, atime, mtime } = attributes;
  if (size !== undefined) await fs.truncate(path, size);
  if (mode !== undefined) await fs.chmod(path, mode & 0o7777);
  if (mtime !== undefined) await fs.utimes(path, atime ?? mtime, mtime);
}

async function setFileAttributes(file: fs.FileHandle, attributes: RawAttributes): Promise<void> {
  const { size, mode, atime, mtime } = attributes;
  if (size !== undefined) await file.truncate(size);
  if (mode !== undefined) await file.chmod(mode & 0o7777);
  if (mtime !== undefined) await file.utimes(atime ?? mtime, mtime);
}

/** The next entries of a listing; none at its end. */
async function nextLines(folder: OpenFolder): Promise<sftp.NameLine[]> {
  const lines: sftp.NameLine[] = [];
  while (lines.length === 0 && folder.names.length > 0) {
    for (const name of folder.names.splice(0, namesPerReply)) {
      const path = Buffer.concat([folder.path, Buffer.from(`/${name}`, 'latin1')]);
      // an entry that was removed since the listing began is left out
      const stat = await fs.lstat(path).catch(() => undefined);
      if (stat !== undefined) lines.push({ name, attributes: attributesOf(stat) });
    }
  }
  return lines;
}
