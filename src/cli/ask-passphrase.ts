/** Asks for the passphrase of a key on the terminal, without showing what is typed. */
import { escapeText } from '../core/text.js';
import type { AskPassphrase } from '../ssh/transport.js';
import type { Output } from './show/output.js';

type Terminal = Pick<NodeJS.Process, 'stdin' | 'stderr' | 'pid' | 'kill'>;

/** Undefined where nobody can be asked: stdin or stderr is no terminal. An answer that was given counts for the whole command. */
export function passphraseAsker(terminal: Terminal, output: Output): AskPassphrase | undefined {
  if (!terminal.stdin.isTTY || !terminal.stderr.isTTY) return undefined;
  const given = new Map<string, string>();
  let last: Promise<unknown> = Promise.resolve();
  return (path, again) => {
    // one question at a time
    const answer = last.then(async () => {
      const known = again ? undefined : given.get(path);
      if (known !== undefined) return known;
      output.block?.clear();
      const wrong = again ? 'that is not it; ' : '';
      const question = `${wrong}passphrase of the key ${escapeText(path)}: `;
      const text = await readHidden(terminal, question);
      if (text !== undefined) given.set(path, text);
      return text;
    });
    last = answer.catch(() => {});
    return answer;
  };
}

/** A line that is not shown; undefined at the end of the input, and for Ctrl-C, which ends the command as a signal does. */
function readHidden(
  { stdin, stderr, pid, kill }: Terminal,
  question: string,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const end = (answer: string | undefined) => {
      stdin.off('data', read);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      resolve(answer);
    };
    const read = (data: Buffer) => {
      for (const character of data.toString('utf8')) {
        if (character === '\r' || character === '\n') return end(text);
        if (character === '\x04') return end(undefined);
        if (character === '\x03') {
          kill(pid, 'SIGINT');
          return end(undefined);
        }
        if (character === '\x7f' || character === '\b') text = [...text].slice(0, -1).join('');
        else text += character;
      }
    };
    // before the question, which somebody may answer at once
    stdin.setRawMode(true);
    stderr.write(question);
    stdin.on('data', read);
    stdin.resume();
  });
}
