/**
 * ferryline beside its peers: `npm run bench -- --case small-up --write`. This file starts what a
 * case needs and lets the contenders run in turn. No figure counts whose result is not right.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Case, cases } from './cases.js';
import { difference, marksOf, touched } from './compare.js';
import { type Contender, contenders, type Task, writeSettings } from './contenders.js';
import { type DaemonCase, daemonCases } from './daemon-cases.js';
import { startLine } from './delay.js';
import { measure } from './measure.js';
import { installMissing, machineFacts } from './packages.js';
import { caseText, type Result, withPart } from './report.js';
import { cipher, type Server, startServer } from './server.js';
import { makeWork, scaled } from './work.js';

const usage = `npm run bench -- [--case NAME[,NAME…]] [--runs N] [--write]

  --case NAME        only these: ${[...cases, ...daemonCases].map(({ name }) => name).join(', ')}
  --runs N           runs of each contender; default: the case's own number, else 5
  --only NAME        only these contenders: ${contenders.map(({ name }) => name).join(', ')}
  --scale FRACTION   smaller work, to try the benchmark itself
  --write            put the results into BENCHMARKS.md, case by case`;

/** Seconds after which a contender is stopped. */
const patience = 150;
const document = join(import.meta.dirname, '../../BENCHMARKS.md');

interface Options {
  readonly cases: readonly (Case | DaemonCase)[];
  readonly contenders: readonly Contender[];
  readonly runs: number | undefined;
  readonly scale: number;
  readonly write: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      case: { type: 'string' },
      runs: { type: 'string' },
      only: { type: 'string' },
      scale: { type: 'string', default: '1' },
      write: { type: 'boolean', default: false },
    },
  });
  const runs = values.runs === undefined ? undefined : Number(values.runs);
  if (runs !== undefined && (!Number.isInteger(runs) || runs < 1))
    throw new Error(`--runs ${values.runs}: not a whole number above 0`);
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 1))
    throw new Error(`--scale ${values.scale}: not a number above 0 and at most 1`);
  if (values.write && (scale !== 1 || values.only !== undefined))
    throw new Error('--write takes whole results only: no --scale, no --only');
  return {
    cases: named('--case', values.case, [...cases, ...daemonCases]),
    contenders: named('--only', values.only, contenders),
    runs,
    scale,
    write: values.write,
  };
}

function named<T extends { readonly name: string }>(
  flag: string,
  list: string | undefined,
  all: readonly T[],
): readonly T[] {
  if (list === undefined) return all;
  const names = list.split(',');
  for (const name of names) {
    if (!all.some((it) => it.name === name))
      throw new Error(`${flag} ${name}: unknown; there are ${all.map((it) => it.name).join(', ')}`);
  }
  return all.filter((it) => names.includes(it.name));
}

/** Runs one case; `root` is the benchmark's temporary folder, which the server serves too. */
async function runCase(
  one: Case,
  server: Server,
  root: string,
  options: Options,
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const work = join(root, one.work.name);
  if (!existsSync(work)) makeWork(scaled(one.work, options.scale), work);
  const [settings, to] = [join(root, `${one.name}-settings`), join(root, 'to')];
  mkdirSync(settings);
  const task: Task = {
    up: one.operation !== 'pull',
    mirror: one.operation === 'mirror',
    from: work,
    to,
    settings,
  };
  const line =
    one.roundTrip === undefined ? undefined : await startLine(server.port, one.roundTrip);
  try {
    writeSettings(one, task, server, line?.port ?? server.port, root);
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: settings,
      LC_ALL: 'C.UTF-8',
      FERRYLINE_STATE_DIR: join(settings, 'state'),
    };
    rmSync(to, { recursive: true, force: true });
    if (one.destination === 'equal') execFileSync('cp', ['-a', work, to]); // folders' mtimes too, which rsync would mend
    const marks = one.destination === 'equal' ? marksOf(to) : undefined;

    const taking = options.contenders.filter(
      ({ name }) => name === 'ferryline' || one.peers.includes(name),
    );
    const results = taking.map(({ name, title }) => ({
      name,
      title,
      runs: [] as Result['runs'][number][],
    }));
    const runs = options.runs ?? one.runs ?? 5;
    for (let run = 1; run <= runs; run++) {
      for (const [i, contender] of taking.entries()) {
        const result = results[i];
        // Who was stopped once would be stopped again.
        if (result === undefined || result.runs.includes(undefined)) continue;
        if (marks === undefined) rmSync(to, { recursive: true, force: true });
        // What earlier runs left to be written to the disk is not this one's burden.
        execFileSync('sync');
        const command = contender.command(task);
        const measured = await measure(command, { folder: settings, env, patience, signal });
        await server.idle();
        result.runs.push(measured);
        const said = measured === undefined ? 'stopped' : `${measured.seconds.toFixed(2)} s`;
        console.error(`${one.name}, run ${run} of ${runs}: ${contender.name} ${said}`);
        if (measured === undefined) continue;
        const wrong = marks === undefined ? difference(work, to) : touched(marks, to);
        if (wrong !== undefined)
          throw new Error(`${one.name}: the result of ${contender.name} is wrong: ${wrong}`);
      }
    }
    return results;
  } finally {
    await line?.close();
    rmSync(to, { recursive: true, force: true });
  }
}

const introduction = `# Benchmarks

Made by \`npm run bench -- --write\`, which builds ferryline, makes the work (the same bytes every time), starts OpenSSH's sshd on loopback and lets ferryline and its peers do the work in turn, each as a whole process from start to end. \`npm run bench -- --case NAME\` runs one case.

- Everybody speaks ${cipher}: the server offers nothing else.
- Before each run the destination is removed. After each run it is compared with the source: names, every byte, and mtimes in whole seconds. Where there is nothing to do, nothing may have been touched: inode, size, mtime and ctime of every entry.
- A round trip comes from a proxy that holds each chunk for half of it each way, without a limit to the rate.
- "ferryline is 2.00×": it took half the time. CPU is user and system time of the client's processes that end within it, memory the largest of these. A contender that takes longer than ${patience} s is stopped.
- lftp copies with 16 files at once (\`-P 16\`); \`sftp\` with \`put -pr\` and \`get -pr\`; rclone with \`copy\`, or \`sync\` where ferryline mirrors. rsync needs its own program on the server too; the others need SFTP only.
- ferryline writes every file by its commit protocol: temporary name, checked size, mtime, atomic rename.`;

/** One case's part of BENCHMARKS.md. */
function section(name: string, about: string, results: string): string {
  const date = new Date().toISOString().slice(0, 10);
  const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim();
  return [
    `## ${name}`,
    `${about[0]?.toUpperCase()}${about.slice(1)}.`,
    results,
    `${date}, \`${command}\`: ${machineFacts()}`,
  ].join('\n\n');
}

/** Runs a case and gives its part of BENCHMARKS.md. */
async function partOf(
  one: Case | DaemonCase,
  server: Server,
  root: string,
  options: Options,
  signal: AbortSignal,
): Promise<string> {
  if ('run' in one) {
    const folder = join(root, one.name);
    mkdirSync(folder);
    const { runs, scale } = options;
    return section(one.name, one.about, await one.run({ server, folder, runs, scale, signal }));
  }
  const results = await runCase(one, server, root, options, signal);
  const about = `${one.about}; ${results[0]?.runs.length} runs each`;
  return section(one.name, about, caseText(one, results, patience));
}

function write(one: { readonly name: string }, text: string): void {
  const before = existsSync(document) ? readFileSync(document, 'utf8') : '';
  const parts = withPart(before, 'introduction', introduction);
  writeFileSync(document, withPart(parts, one.name, text));
}

async function bench(options: Options, signal: AbortSignal): Promise<void> {
  installMissing();
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'ferryline-bench-')));
  let server: Server | undefined;
  try {
    mkdirSync(join(root, 'server'));
    server = await startServer(join(root, 'server'));
    for (const one of options.cases) {
      const text = await partOf(one, server, root, options, signal);
      console.log(`${text}\n`);
      if (options.write) write(one, text);
    }
  } finally {
    await server?.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
try {
  await bench(readOptions(), stop.signal);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(`\n${usage}`);
  process.exitCode = 1;
}
