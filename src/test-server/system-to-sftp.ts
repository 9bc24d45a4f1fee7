/** Translates between this system and SFTP: attributes, open flags, errors. */
import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { type RawAttributes, statusCode, statusReply } from './sftp-server.js';

export function attributesOf(stat: Stats): RawAttributes {
  return {
    size: stat.size,
    mode: stat.mode,
    atime: wireTime(stat.atimeMs),
    mtime: wireTime(stat.mtimeMs),
  };
}

/** Whole seconds within the 32 bits that SFTP has for them. */
function wireTime(ms: number): number {
  return Math.min(Math.max(Math.floor(ms / 1000), 0), 0xffff_ffff);
}

/** The open flags of SFTP (draft-ietf-secsh-filexfer-02 §6.3). */
const openFlags = { READ: 1, WRITE: 2, APPEND: 4, CREATE: 8, TRUNCATE: 16, EXCLUSIVE: 32 } as const;

export function systemFlags(flags: number): number {
  const readable = flags & openFlags.READ;
  const writable = flags & openFlags.WRITE;
  const writing = readable ? constants.O_RDWR : constants.O_WRONLY;
  return (
    (writable ? writing : constants.O_RDONLY) |
    (flags & openFlags.APPEND ? constants.O_APPEND : 0) |
    (flags & openFlags.CREATE ? constants.O_CREAT : 0) |
    (flags & openFlags.TRUNCATE ? constants.O_TRUNC : 0) |
    (flags & openFlags.EXCLUSIVE ? constants.O_EXCL : 0)
  );
}

/** The system's error as a status with the system's message; codes are chosen as OpenSSH's server does. */
export function failureReply(id: number, error: NodeJS.ErrnoException): Buffer {
  const message = [...getSystemErrorMap().values()].find(([code]) => code === error.code)?.[1];
  return statusReply(id, statusOf[error.code ?? ''] ?? statusCode.FAILURE, message);
}

const statusOf: Readonly<Record<string, number>> = {
  ENOENT: statusCode.NO_SUCH_FILE,
  ENOTDIR: statusCode.NO_SUCH_FILE,
  ELOOP: statusCode.NO_SUCH_FILE,
  EACCES: statusCode.PERMISSION_DENIED,
  EPERM: statusCode.PERMISSION_DENIED,
  ENAMETOOLONG: statusCode.BAD_MESSAGE,
  EINVAL: statusCode.BAD_MESSAGE,
};
