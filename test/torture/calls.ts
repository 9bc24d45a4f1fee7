/**
 * System calls of a run that touch its data, found by strace, and a way to inject a signal or an error into
 * each of them in turn. strace counts a call's name for each thread by itself.
 */
import { readFileSync } from 'node:fs';

/** One system call: the `nth` of its name in its thread, from 1, and what it was about. */
export interface Call {
  readonly name: string;
  readonly nth: number;
  /** The call as strace prints it. */
  readonly text: string;
}

const traced = [
  ...['openat', 'close', 'read', 'pread64', 'write', 'writev', 'pwrite64', 'pwritev', 'sendto'],
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'symlink'],
  ...['mkdir', 'mkdirat', 'rmdir', 'chmod', 'fchmod', 'fchmodat', 'utimensat', 'futimesat'],
  ...['fsync', 'fdatasync', 'ftruncate', 'truncate', 'getdents64'],
].join();

/** The command that starts a program and writes its calls to `file`; `inject`: into one call, as strace words it (`signal=KILL`, `error=EIO`). */
export function straceOf(
  file: string,
  into?: { readonly call: Pick<Call, 'name' | 'nth'>; readonly inject: string },
): string[] {
  const { call, inject } = into ?? {};
  const set = call === undefined ? traced : call.name;
  return [
    ...['strace', '-f', '-qq', '-y', '-s', '4', '-o', file, '-e', `trace=${set}`],
    // quicker, but with it nothing is injected (strace 6.1)
    ...(call === undefined
      ? ['--seccomp-bpf']
      : ['-e', `inject=${call.name}:${inject}:when=${call.nth}`]),
  ];
}

/** The calls into which something was injected: the nth of each thread, so that one may be Node's own. */
export function injectedIn(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('(INJECTED)'));
}

/** The traced calls that `isOfData` picks by their text, in order, each once however many threads made it. */
export function callsIn(file: string, isOfData: (text: string) => boolean): Call[] {
  const counts = new Map<string, number>();
  const calls = new Map<string, Call>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const found = /^(\d+) +(\w+)\(/.exec(line);
    if (found === null) continue; // the rest of a call, a signal, an exit
    const [, thread = '', name = ''] = found;
    const nth = (counts.get(`${thread} ${name}`) ?? 0) + 1;
    counts.set(`${thread} ${name}`, nth);
    if (isOfData(line)) calls.set(`${name} ${nth}`, { name, nth, text: line });
  }
  return [...calls.values()];
}
