/** Asks for the passphrase of a key on the terminal, without showing what is typed. */
import { abortable, unlessAborted } from '../core/abort.js';
import { escapeText } from '../core/text.js';
import type { AskPassphrase } from '../ssh/transport.js';
import type { Output } from './show/output.js';

type Terminal = Pick<NodeJS.Process, 'stdin' | 'stderr' | 'pid' | 'kill'>;

/** Undefined where nobody can be asked: stdin or stderr is no terminal. What has opened a key counts for the whole command. */
export function passphraseAsker(terminal: Terminal, output: Output): AskPassphrase | undefined {
  if (!terminal.stdin.isTTY || !terminal.stderr.isTTY) return undefined;
  /** By the key's path. */
  const known = new Map<string, string>();

  const question = async (words: string, signal: AbortSignal) => {
    output.hold();
    try {
      return await readHidden(terminal, words, signal);
    } finally {
      output.release();
    }
  };

  const unlock: AskPassphrase = async (path, open, signal) => {
    const earlier = known.get(path);
    const opened = earlier === undefined ? undefined : await open(earlier);
    if (opened !== undefined) return opened;
    for (let front = ''; ; front = 'that is not it; ') {
      const text = await question(`${front}passphrase of the key ${escapeText(path)}: `, signal);
      if (text === undefined || text === '') return undefined;
      const found = await open(text);
      if (found === undefined) continue;
      known.set(path, text);
      return found;
    }
  };

  let last: Promise<unknown> = Promise.resolve();
  return (path, open, signal) => {
    // one key at a time: the next session may need the same
    const unlocked = last.then(() => unlock(path, open, signal));
    last = unlocked.catch(() => {});
    return unlessAborted(unlocked, signal);
  };
}

/**
 * A line that is not shown; undefined at the end of the input. Ctrl-C sends SIGINT to this process, as it does elsewhere.
 * Rejects with the signal's reason. The terminal is restored in any case.
 */
function readHidden(
  { stdin, stderr, pid, kill }: Terminal,
  question: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  return abortable(signal, (resolve) => {
    let text = '';
    const restore = () => {
      stdin.off('data', read);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
    };
    const end = (answer: string | undefined) => {
      restore();
      resolve(answer);
    };
    const read = (data: Buffer) => {
      for (const character of data.toString('utf8')) {
        if (character === '\r' || character === '\n') return end(text);
        if (character === '\x04') return end(undefined);
        if (character === '\x03') kill(pid, 'SIGINT');
        else if (character === '\x7f' || character === '\b') text = [...text].slice(0, -1).join('');
        else text += character;
      }
    };
    // before the question, which somebody may answer at once
    stdin.setRawMode(true);
    stderr.write(question);
    stdin.on('data', read);
    stdin.resume();
    return restore;
  });
}
