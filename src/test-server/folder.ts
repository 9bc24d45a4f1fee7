/**
 * A folder of this machine behind the SFTP server of the demo and the tests: answers requests from
 * the file system and never goes above its root. The root is `/` and the login folder. Permissions
 * are those of the process. What travels on the wire is sftp-server.ts's.
 */
import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { posix } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import type { RawAttributes, Request } from './sftp-server.js';
import * as sftp from './sftp-server.js';

/** What it offers in its VERSION, by default all it can do. */
export const demoExtensions: Readonly<Record<string, string>> = {
  'posix-rename@openssh.com': '1',
  'fsync@openssh.com': '1',
  'limits@openssh.com': '1',
};

type Open =
  | { readonly kind: 'file'; readonly file: fs.FileHandle }
  | { readonly kind: 'folder'; readonly path: Buffer; names: string[] };

export interface FolderAnswers {
  readonly answer: (request: Request) => Promise<Buffer>;
  /** Closes what the client left open. */
  close(): Promise<void>;
}

const largestRead = 255 * 1024;

/** Answers from `root` (an absolute path, resolved) for one client. Never rejects. */
export function answerFromFolder(
  root: string,
  extensions: Readonly<Record<string, string>> = demoExtensions,
): FolderAnswers {
  const open = new Map<string, Open>();
  let opened = 0;
  const rootBytes = Buffer.from(root);

  /** As the client sees it: absolute, without `.`, `..` or doubled slashes. */
  const canonical = (path: string) => {
    const normal = posix.normalize(`/${path}`);
    return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
  };

  /** The real path, checked: no link on the way leads out, nor the last one where it is followed. */
  const place = async (path: string, follow: boolean): Promise<Buffer> => {
    const visible = canonical(path);
    if (visible === '/') return rootBytes;
    const real = Buffer.concat([rootBytes, Buffer.from(visible, 'latin1')]);
    await mustBeInside(real.subarray(0, real.lastIndexOf(0x2f)));
    if (follow && (await fs.lstat(real).catch(() => undefined))?.isSymbolicLink())
      await mustBeInside(real);
    return real;
  };
  const mustBeInside = async (path: Buffer) => {
    const real = await fs.realpath(path, { encoding: 'buffer' });
    const inside = real.subarray(0, rootBytes.length).equals(rootBytes);
    if (!inside || (real.length > rootBytes.length && real[rootBytes.length] !== 0x2f))
      throw Object.assign(new Error('outside the root'), { code: 'EACCES' });
  };

  const remember = (what: Open) => {
    const handle = `h${opened++}`;
    open.set(handle, what);
    return handle;
  };
  const theFile = (handle: string) => {
    const it = open.get(handle);
    if (it?.kind !== 'file') throw Object.assign(new Error('no such handle'), { code: 'EBADF' });
    return it.file;
  };

  const respond = async (request: Request): Promise<Buffer> => {
    const { id } = request;
    const ok = () => sftp.statusReply(id, sftp.statusCode.OK);
    switch (request.type) {
      case 'INIT':
        return sftp.versionReply(extensions);
      case 'REALPATH':
        return sftp.nameReply(id, [{ name: canonical(request.path), attributes: {} }]);
      case 'OPEN': {
        const file = await fs.open(
          await place(request.path, true),
          systemFlags(request.flags),
          (request.attributes.mode ?? 0o666) & 0o777,
        );
        return sftp.handleReply(id, remember({ kind: 'file', file }));
      }
      case 'OPENDIR': {
        const path = await place(request.path, true);
        const names = await fs.readdir(path, { encoding: 'buffer' });
        const all = ['.', '..', ...names.map((name) => name.toString('latin1'))];
        return sftp.handleReply(id, remember({ kind: 'folder', path, names: all }));
      }
      case 'READDIR': {
        const folder = open.get(request.handle);
        if (folder?.kind !== 'folder') return sftp.statusReply(id, sftp.statusCode.FAILURE);
        const lines = await nextLines(folder);
        return lines.length === 0
          ? sftp.statusReply(id, sftp.statusCode.EOF)
          : sftp.nameReply(id, lines);
      }
      case 'CLOSE': {
        const it = open.get(request.handle);
        open.delete(request.handle);
        if (it === undefined) return sftp.statusReply(id, sftp.statusCode.FAILURE);
        if (it.kind === 'file') await it.file.close();
        return ok();
      }
      case 'READ': {
        const buffer = Buffer.allocUnsafe(Math.min(request.length, largestRead));
        const { bytesRead } = await theFile(request.handle).read(
          buffer,
          0,
          buffer.length,
          request.offset,
        );
        return bytesRead === 0
          ? sftp.statusReply(id, sftp.statusCode.EOF)
          : sftp.dataReply(id, buffer.subarray(0, bytesRead));
      }
      case 'WRITE': {
        const { data } = request;
        const file = theFile(request.handle);
        for (let at = 0; at < data.length; ) {
          at += (await file.write(data, at, data.length - at, request.offset + at)).bytesWritten;
        }
        return ok();
      }
      case 'STAT':
        return sftp.attributesReply(id, shown(await fs.stat(await place(request.path, true))));
      case 'LSTAT':
        return sftp.attributesReply(id, shown(await fs.lstat(await place(request.path, false))));
      case 'FSTAT':
        return sftp.attributesReply(id, shown(await theFile(request.handle).stat()));
      case 'SETSTAT': {
        const path = await place(request.path, true);
        const { size, mode, atime, mtime } = request.attributes;
        if (size !== undefined) await fs.truncate(path, size);
        if (mode !== undefined) await fs.chmod(path, mode & 0o7777);
        if (mtime !== undefined) await fs.utimes(path, atime ?? mtime, mtime);
        return ok();
      }
      case 'FSETSTAT': {
        const file = theFile(request.handle);
        const { size, mode, atime, mtime } = request.attributes;
        if (size !== undefined) await file.truncate(size);
        if (mode !== undefined) await file.chmod(mode & 0o7777);
        if (mtime !== undefined) await file.utimes(atime ?? mtime, mtime);
        return ok();
      }
      case 'MKDIR':
        await fs.mkdir(
          await place(request.path, false),
          (request.attributes.mode ?? 0o777) & 0o7777,
        );
        return ok();
      case 'RMDIR':
        await fs.rmdir(await place(request.path, false));
        return ok();
      case 'REMOVE':
        await fs.unlink(await place(request.path, false));
        return ok();
      case 'RENAME': {
        const from = await place(request.path, false);
        const to = await place(request.to, false);
        // A second name first: it fails where something stands (draft-ietf-secsh-filexfer-02 §6.5).
        if ((await fs.lstat(from)).isFile()) {
          await fs.link(from, to);
          await fs.unlink(from);
        } else if (await fs.lstat(to).catch(() => undefined)) {
          return sftp.statusReply(id, sftp.statusCode.FAILURE, 'file already exists');
        } else {
          await fs.rename(from, to);
        }
        return ok();
      }
      case 'READLINK': {
        const target = await fs.readlink(await place(request.path, false), { encoding: 'buffer' });
        return sftp.nameReply(id, [{ name: target.toString('latin1'), attributes: {} }]);
      }
      case 'SYMLINK':
        await fs.symlink(Buffer.from(request.to, 'latin1'), await place(request.path, false));
        return ok();
      case 'EXTENDED':
        if (!(request.extension in extensions)) break;
        if (request.extension === 'posix-rename@openssh.com') {
          await fs.rename(await place(request.path, false), await place(request.to, false));
          return ok();
        }
        if (request.extension === 'fsync@openssh.com') {
          await theFile(request.handle).sync();
          return ok();
        }
        if (request.extension === 'limits@openssh.com')
          return sftp.packet(
            201,
            sftp.u32(id),
            ...[sftp.largestRequest, largestRead, largestRead, 1000].map(sftp.u64),
          );
        break;
      case 'UNKNOWN':
        break;
    }
    return sftp.statusReply(id, sftp.statusCode.UNSUPPORTED, 'operation unsupported');
  };

  return {
    async answer(request) {
      try {
        return await respond(request);
      } catch (error) {
        return failure(request.id, error as NodeJS.ErrnoException);
      }
    },
    async close() {
      for (const it of open.values()) if (it.kind === 'file') await it.file.close();
      open.clear();
    },
  };
}

async function nextLines(folder: Open & { kind: 'folder' }): Promise<sftp.NameLine[]> {
  const lines: sftp.NameLine[] = [];
  while (lines.length === 0 && folder.names.length > 0) {
    for (const name of folder.names.splice(0, 100)) {
      const path = Buffer.concat([folder.path, Buffer.from(`/${name}`, 'latin1')]);
      // What has vanished since the listing began is left out.
      const stat = await fs.lstat(path).catch(() => undefined);
      if (stat !== undefined) lines.push({ name, attributes: shown(stat) });
    }
  }
  return lines;
}

function shown(stat: Stats): RawAttributes {
  return {
    size: stat.size,
    mode: stat.mode,
    atime: wireTime(stat.atimeMs),
    mtime: wireTime(stat.mtimeMs),
  };
}

function wireTime(ms: number): number {
  return Math.min(Math.max(Math.floor(ms / 1000), 0), 0xffff_ffff);
}

/** The wire's open flags as the system's (draft-ietf-secsh-filexfer-02 §6.3). */
function systemFlags(flags: number): number {
  const access =
    flags & 2 ? (flags & 1 ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
  return (
    access |
    (flags & 4 ? constants.O_APPEND : 0) |
    (flags & 8 ? constants.O_CREAT : 0) |
    (flags & 16 ? constants.O_TRUNC : 0) |
    (flags & 32 ? constants.O_EXCL : 0)
  );
}

/** The system's error as a status, grouped as OpenSSH's server does, with the system's words. */
function failure(id: number, error: NodeJS.ErrnoException): Buffer {
  const words = [...getSystemErrorMap().values()].find(([code]) => code === error.code)?.[1];
  return sftp.statusReply(id, statusOf[error.code ?? ''] ?? sftp.statusCode.FAILURE, words);
}

const statusOf: Readonly<Record<string, number>> = {
  ENOENT: sftp.statusCode.NO_SUCH_FILE,
  ENOTDIR: sftp.statusCode.NO_SUCH_FILE,
  ELOOP: sftp.statusCode.NO_SUCH_FILE,
  EACCES: sftp.statusCode.PERMISSION_DENIED,
  EPERM: sftp.statusCode.PERMISSION_DENIED,
  ENAMETOOLONG: sftp.statusCode.BAD_MESSAGE,
  EINVAL: sftp.statusCode.BAD_MESSAGE,
};
