/**
 * Carries out a page of docs/ as a reader would: its jobs.yml files are written, its commands typed in a
 * shell, and each line that it shows must come, in that order. Servers `*.example` are one sshd, each with
 * a folder of its own; `backup.example` is the login folder itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isMap, parseDocument, type YAMLMap } from 'yaml';
import { giveTo } from './account.js';
import { eventually } from './daemons/daemon.js';
import { temporaryFolder } from './files/temporary.js';
import type { Sshd } from './servers/sshd.js';

const project = join(import.meta.dirname, '../..');

/** One thing that a page has its reader do. */
type Step =
  | { readonly file: string; readonly text: string }
  | { readonly command: string; readonly code: number; readonly shown: readonly string[] }
  /** What somebody else does meanwhile: a comment `<!-- meanwhile: … -->`. */
  | { readonly meanwhile: string };

/** What others do in a page, by the words of its comment. */
export type Others = Readonly<
  Record<string, (place: { sshd: Sshd; home: string }) => void | Promise<void>>
>;

export interface GuideOptions {
  readonly others?: Others;
  /** Whether the server's host key is known from the start. Default: yes. */
  readonly trusted?: boolean;
  /** The queue of daemons. */
  readonly queue: string;
}

/** Reads and carries out a page. Throws where it shows anything but what happens. */
export async function followGuide(
  page: string,
  sshd: Sshd,
  { others = {}, trusted = true, queue }: GuideOptions,
): Promise<void> {
  const reader = await openDesk(sshd, queue);
  if (trusted) reader.write('.ssh/known_hosts', readFileSync(sshd.knownHostsFile, 'utf8'));
  try {
    for (const step of stepsOf(readFileSync(join(project, page), 'utf8'))) {
      if ('meanwhile' in step) {
        const act = others[step.meanwhile];
        if (act === undefined) throw new Error(`${page}: nobody does "${step.meanwhile}"`);
        await act({ sshd, home: reader.home });
      } else if ('file' in step) reader.write(step.file, step.text);
      else await reader.type(step);
    }
  } finally {
    await reader.leave();
  }
}

/** The steps of a page: its yaml blocks, its commands, and its comments for others. */
function stepsOf(text: string): Step[] {
  const parts = /^```(yaml|console)\n([\s\S]*?)^```$|^<!-- meanwhile: (.*) -->$/gm;
  return [...text.matchAll(parts)].flatMap(([, language, block = '', meanwhile]): Step[] => {
    if (meanwhile !== undefined) return [{ meanwhile }];
    if (language === 'console') return commandsOf(block);
    return [{ file: /^# (\S+\.yml)$/m.exec(block)?.[1] ?? 'jobs.yml', text: block }];
  });
}

function commandsOf(block: string): Step[] {
  const each = block.split(/^\$ /m).slice(1);
  return each.flatMap((part, at): Step[] => {
    const [command = '', ...shown] = part.trimEnd().split('\n');
    if (command === 'echo $?') return [];
    const [next = '', code = '0'] = each[at + 1]?.split('\n') ?? [];
    return [{ command, shown, code: next === 'echo $?' ? Number(code) : 0 }];
  });
}

type Command = Extract<Step, { command: string }>;

/** The reader's machine: a home with a key, an ssh_config that leads to the server, and files to send. */
export async function openDesk(sshd: Sshd, queue: string) {
  const home = await temporaryFolder();
  const at = (path: string) => join(home, path);
  const write = (path: string, text: string) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  };
  mkdirSync(at('.ssh'), { mode: 0o700 });
  copyFileSync(sshd.keyFile, at('.ssh/id_ed25519'));
  copyFileSync(`${sshd.keyFile}.pub`, at('.ssh/id_ed25519.pub'));
  chmodSync(at('.ssh/id_ed25519'), 0o600);
  write(
    '.ssh/config',
    `Host *.example\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  User ${sshd.username}\n`,
  );
  write(
    'bin/ferryline',
    `#!/bin/sh\nexec '${process.execPath}' '${join(project, 'dist/cli/main.js')}' "$@"\n`,
  );
  chmodSync(at('bin/ferryline'), 0o755);
  for (const [path, text] of Object.entries(files)) write(path, text);
  const env = {
    PATH: `${at('bin')}:${process.env.PATH}`,
    HOME: home,
    USER: 'you',
    TERM: 'dumb',
    FERRYLINE_QUEUE: queue,
    LC_ALL: 'C.UTF-8',
    XDG_CACHE_HOME: join(project, 'dist/cache'),
  };
  const daemons: ChildProcess[] = [];
  const shell = (command: string) =>
    spawn('bash', ['-c', command], { cwd: home, env, stdio: ['pipe', 'pipe', 'pipe'] });

  const type = async (step: Command) => {
    const command = step.command.replace('-R backup.example', `-R '[127.0.0.1]:${sshd.port}'`);
    if (command.endsWith('&')) {
      const child = shell(`exec ${command.slice(0, -1)}`);
      child.stdout.resume();
      child.stderr.resume();
      daemons.push(child);
      // Nothing is left running if a test ends before the reader leaves.
      process.once('exit', () => child.kill('SIGKILL'));
      const isUp = () =>
        new Promise<boolean>((done) =>
          shell('ferryline status').once('close', (code) => done(code === 0)),
        );
      await eventually(isUp);
      return;
    }
    const { code, text } = await typed(step, command);
    const missing = missingLine(step.shown, text.replaceAll(home, '/home/you'));
    if (missing === undefined && code === step.code) return;
    const what =
      missing === undefined
        ? `exit code ${code}, not ${step.code}`
        : `without this line, or earlier: ${missing}`;
    throw new Error(`$ ${command}\n${what}\n${text}`);
  };

  /** Types a command, and the answers that the page shows at its questions. */
  const typed = async ({ shown }: Command, command: string) => {
    const answers = shown.flatMap((line) => {
      const [, question, answer] = asked.exec(line) ?? [];
      return question === undefined
        ? []
        : [{ question: lastWords(question), answer: answer ?? '' }];
    });
    const isAsked = answers.length > 0;
    const child = isAsked
      ? spawn('script', ['-qec', command, '/dev/null'], {
          cwd: home,
          env,
          stdio: ['pipe', 'pipe', 'pipe'],
        })
      : shell(command);
    let text = '';
    let looked = 0;
    const hear = (data: Buffer) => {
      text += data.toString().replaceAll('\r', '');
      for (let next = answers[0]; next !== undefined; next = answers[0]) {
        const place = text.indexOf(next.question, looked);
        if (place < 0) return;
        looked = place + next.question.length;
        answers.shift();
        child.stdin.write(`${next.answer}\n`);
      }
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    if (!isAsked) child.stdin.end();
    const code = await new Promise<number | null>((ended) => child.once('close', ended));
    return { code, text };
  };

  return {
    home,
    type,
    write: (file: string, text: string) => write(file, forServer(text, sshd)),
    async leave() {
      const ends = daemons.map(
        (child) =>
          new Promise((ended) => {
            if (child.exitCode !== null) ended(undefined);
            child.once('close', ended);
            child.kill('SIGTERM');
          }),
      );
      await Promise.all(ends);
    },
  };
}

/** What the reader has to send. */
const files: Readonly<Record<string, string>> = {
  'data/report.csv': 'day,sum\n',
  'data/photos/1.jpg': 'one',
  'data/photos/2.jpg': 'two',
  'data/photos/3.jpg': 'three',
  'data/cache.tmp': 'x',
};

/** A question at the end of which the reader types something. */
const asked = /^(.*(?:[)\]]:|\[yes\/no\])) ?(.*)$/;

/** The end of a question, without what the answer usually is. */
function lastWords(question: string): string {
  return question.replace(/(?: \[.*\])?:?$/, '').slice(-12);
}

/** A jobs.yml whose servers are the sshd. */
function forServer(text: string, sshd: Sshd): string {
  const document = parseDocument(text, { merge: true });
  const remotes = document.get('remotes');
  if (!isMap(remotes)) return text;
  for (const { value } of remotes.items) if (isMap(value)) reach(value, sshd);
  return document.toString();
}

function reach(remote: YAMLMap, sshd: Sshd): void {
  const host = String(remote.get('host'));
  const below = [
    ...(host === 'backup.example' ? [] : [host]),
    ...(remote.has('root') ? [String(remote.get('root'))] : []),
  ];
  remote.set('host', '127.0.0.1');
  remote.set('port', sshd.port);
  remote.set('username', sshd.username);
  if (remote.has('hostKey')) remote.set('hostKey', sshd.hostKeyFingerprint);
  if (below.length === 0) return;
  const root = join('.', ...below);
  remote.set('root', root);
  mkdirSync(join(sshd.root, root), { recursive: true });
  giveTo(sshd.account, join(sshd.root, root.split('/')[0] ?? ''));
}

/** The first shown line that does not come after those before it. `…` is anything. */
function missingLine(shown: readonly string[], text: string): string | undefined {
  const lines = text.split('\n').map(masked);
  let at = 0;
  for (const line of shown) {
    const wanted = pattern(line.replace(asked, '$1…'));
    const found = lines.findIndex((each, place) => place >= at && wanted.test(each));
    if (found < 0) return line;
    at = wanted.test('') ? at : found + 1;
  }
  return undefined;
}

function pattern(line: string): RegExp {
  const parts = masked(line)
    .split('…')
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** A line without what differs from run to run. */
function masked(line: string): string {
  return line
    .replaceAll(/\d{8}T\d{6}Z-\w{8}/g, 'RUN')
    .replaceAll(/SHA256:[\w+/…]+/g, 'KEY')
    .replaceAll(/(?:[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d|[A-Z][a-z]{2} [ \d]\d (?=\d\d:)/g, 'DAY ')
    .replaceAll(/\d\d:\d\d(?: [+-]\d\d:\d\d)?/g, 'TIME')
    .replaceAll(/\bin (?:\d+ (?:d|h|min|s) ?)+/g, 'in TIME')
    .replaceAll(/\b[\d.,]+ m?s\b/g, 'TIME')
    .replace('already enqueued', 'enqueued')
    .replaceAll(/ +/g, ' ')
    .trim();
}
