/**
 * A server's STATUS as an error with a POSIX code. OpenSSH reports a bare FAILURE for most errors;
 * other servers put the reason into its message, or use codes of later protocol versions.
 */
import { FerryError } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';

const statusCodes: Readonly<Record<number, readonly [code: string, words: string]>> = {
  2: ['ENOENT', 'no such file or folder'],
  3: ['EACCES', 'permission denied'],
  4: ['EFAILURE', 'the server reports only "failure"'],
  5: ['EINVAL', 'the server rejects this request or name'],
  8: ['ENOTSUP', 'the server does not support'],
  11: ['EEXIST', 'something with this name exists'],
  12: ['EROFS', 'the file system on the server is read-only'],
  14: ['ENOSPC', 'no space left on the server'],
  15: ['EDQUOT', 'the quota on the server is used up'],
  18: ['ENOTEMPTY', 'the folder is not empty'],
  19: ['ENOTDIR', 'not a folder'],
  24: ['EISDIR', 'it is a folder'],
};

const noSupport = 'it is part of SFTP version 3; ask whoever runs the server to allow it';

/** What servers write in the message of a FAILURE, and the status code it stands for. */
const failureMessages: readonly (readonly [RegExp, number])[] = [
  [/exists/i, 11],
  [/no space/i, 14],
  [/quota/i, 15],
  [/not empty/i, 18],
  [/read-only/i, 12],
  [/no such file/i, 2],
  [/not a directory/i, 19],
  [/is a directory/i, 24],
  [/permission denied/i, 3],
];

/** The error for a STATUS other than OK and EOF to a `request`; it has no path, and its `code` is a POSIX name. */
export function statusError(code: number, message: string, request: string): FerryError {
  const refined =
    code === 4 ? (failureMessages.find(([pattern]) => pattern.test(message))?.[1] ?? code) : code;
  const [name, phrase] = statusCodes[refined] ?? ['EFAILURE', `the server answered status ${code}`];
  const isLacking = name === 'ENOTSUP';
  const isExtension = request === 'EXTENDED';
  const what = isExtension ? 'an extension that it offers' : request;
  const words = isLacking ? `${phrase} ${what}` : phrase;
  const said = message.slice(0, 200);
  return new FerryError(
    code === 6 || code === 7 ? 'network' : 'io',
    /^(failure|ok)?$/i.test(said) || said.toLowerCase() === words
      ? words
      : `${words} ("${escapeText(said)}")`,
    { code: name, ...(isLacking && !isExtension ? { hint: noSupport } : {}) },
  );
}

/** STATUS as one line of the transcript. */
export function describeStatus(code: number, message: string): string {
  if (code === 0) return 'OK';
  return code === 1 ? 'EOF' : `status ${code} ${escapeText(message.slice(0, 200))}`;
}
