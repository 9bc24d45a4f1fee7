/** Errors of the operating system as ours. */
import { constants } from 'node:os';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';

const messages: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EEXIST: 'something with this name exists already',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  ENOTEMPTY: 'the folder is not empty',
  ENOSPC: 'no space left on this machine',
  EDQUOT: 'the disk quota on this machine is used up',
  EROFS: 'the file system is read-only on this machine',
  ELOOP: 'it is a link, which is not followed',
  ENAMETOOLONG: 'the name is too long for this file system',
  EMFILE: 'too many files are open',
  EFBIG: 'the file is too large for this file system or limit',
  EIO: 'a disk of this machine reports an input/output error',
  EXDEV: 'it is on another file system',
  ESTALE: 'the file server no longer has it',
};

/** Node names the call and its path, which here is that of a folder's handle. */
const callAndPath = /, [a-z]+ '.*$/s;

/** Errors that Node calls UNKNOWN, by their number. */
const unnamed: ReadonlyMap<number | undefined, string> = new Map([
  [-constants.errno.EDQUOT, 'EDQUOT'],
  [-constants.errno.ESTALE, 'ESTALE'],
]);

/** The system's error as an `io` error with the entry's path; a FerryError is returned unchanged. */
export function localError(error: unknown, path: string): FerryError {
  if (error instanceof FerryError) return error;
  const { errno, message, ...named } = error as NodeJS.ErrnoException;
  const code = unnamed.get(errno) ?? named.code;
  return new FerryError(
    'io',
    messages[code ?? ''] ?? message.replace(callAndPath, ''),
    present({ path, cause: error, code }),
  );
}
