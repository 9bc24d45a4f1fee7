/**
 * Names a hostile server may list. `escapes` can't be names in a folder (draft-ietf-secsh-filexfer-02 §6.7
 * has file names only): they have a slash or NUL, or are empty; each ends the run with 9. `odd` are unusual
 * but valid on POSIX: copied byte for byte, or skipped with a reason, and shown escaped.
 */

const upwards = [
  '../x',
  '../../x',
  '../../../../../../../../etc/passwd',
  'a/../../x',
  'a/../../../x',
  './../x',
  'a/..',
  '../',
  './',
  '/',
  '//',
  '///x',
  '/x',
  '/etc/passwd',
  '/root/.ssh/authorized_keys',
  '/tmp/x',
  '//x',
  'a/b',
  'a/',
  'a//b',
  'a/./b',
  '.ssh/authorized_keys',
  '~/x/y',
  '~root/x',
  '..\\../x',
  '....//x',
  '..;/x',
  'C:/x',
  'file:///etc/passwd',
  'sftp://host/x',
  '\\\\host\\share/x',
  '.ferryline/trash/x',
];

const withNul = [
  '\0',
  'x\0',
  '\0x',
  'x\0y',
  '../x\0',
  'x.txt\0.jpg',
  '\0../x',
  '..\0',
  '.\0',
  'a/\0/b',
];

/** Depths and targets, spelled out. */
const ladders = Array.from({ length: 16 }, (_, i) => [
  `${'../'.repeat(i + 1)}canary/x`,
  `a/${'../'.repeat(i + 2)}canary/x`,
]).flat();

/** None of these may lead to a read or write, whatever the operation. */
export const escapes: readonly string[] = ['', ...upwards, ...withNul, ...ladders];

/** Valid names that have broken programs. */
export const odd: readonly (string | Buffer)[] = [
  '...',
  '....',
  '. .',
  ' ',
  '  x',
  'x ',
  'x.',
  '.x',
  '~',
  '~root',
  '-',
  '--',
  '-rf',
  '--delete',
  '-oProxyCommand=touch x',
  '*',
  '?',
  '[a]',
  '{a,b}',
  '!x',
  '#x',
  '$(touch x)',
  '`touch x`',
  '$HOME',
  '%s%n',
  '%2e%2e%2fx',
  '..%2fx',
  ';x',
  '|x',
  '&x',
  '>x',
  '<x',
  '"x"',
  "'x'",
  '\\',
  '\\x',
  '..\\x',
  '..\\..\\x',
  'C:',
  'C:\\x',
  'CON',
  'NUL',
  'aux.txt',
  'x:y',
  'x\ny',
  'x\r\ny',
  '\n',
  '\t',
  'x\u001b[31mred',
  'x\u001b]0;title\u0007',
  '\u0007',
  '\u007f',
  'x\u0085y',
  '\u202etxt.exe',
  'x\u2028y',
  '\u200b',
  '\ufeffx',
  '\u2024\u2024',
  '\uff0e\uff0e\uff0fx',
  '\u2215x',
  'e\u0301',
  '\u00e9',
  '\u{1f6a2}',
  'x'.repeat(255),
  '\u00e9'.repeat(127),
  'constructor',
  '__proto__',
  'hasOwnProperty',
  'toString',
  'undefined',
  'null',
  'NaN',
  '<img src=x onerror=alert(1)>',
  'x\ufffdy',
  Buffer.from([0xff]),
  Buffer.from([0x78, 0xc3, 0x28]),
  Buffer.from([0xc0, 0xae, 0xc0, 0xae]),
  Buffer.from([0xed, 0xa0, 0x80]),
];

/** Too long for any file system here. */
export const tooLong: readonly string[] = ['x'.repeat(256), 'x'.repeat(4096), 'x'.repeat(70_000)];

/** `.` and `..`, which every listing may have and nothing may act on. */
export const dots: readonly string[] = ['.', '..'];

/** All of them. */
export const hostileNames: readonly (string | Buffer)[] = [...escapes, ...dots, ...odd, ...tooLong];
