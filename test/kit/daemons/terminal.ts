/** The built command line on a terminal, with somebody who answers its questions. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** Called at each question: may type, and knows the process. */
export type Asked = (type: (text: string) => void, pid: number) => void;

/** Runs `ferryline WORDS`; what it has shown when it ends, both streams as one. */
export async function ferrylineOnTerminal(
  words: string,
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
  question: RegExp,
  asked: Asked,
): Promise<{ shown: string; code: number | null }> {
  const command = `echo "process $$"; exec '${process.execPath}' '${main}' ${words}`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  let shown = '';
  for await (const data of child.stdout) {
    shown += data;
    const [, pid] = /^process (\d+)/.exec(shown) ?? [];
    if (question.test(shown)) asked((text) => child.stdin.write(text), Number(pid));
  }
  const [code] = await closed;
  return { shown, code };
}
