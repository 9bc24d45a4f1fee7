/**
 * ferryline beside its peers: `npm run bench -- --case small-up --write`. This file starts what a
 * case needs and lets the contenders run in turn. No figure counts whose result is not right.
 */
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
import { type Contender, contenders } from './contenders.js';
import { type DaemonCase, daemonCases } from './daemon-cases.js';
import { installMissing, machineFacts } from './packages.js';
import { caseText, withPart } from './report.js';
import { patience, runCase, tooSlow } from './run-case.js';
import { cipher, type Server, startServer } from './server.js';

const usage = `npm run bench -- [--case NAME[,NAME…]] [--runs N] [--write]

The peers' cases take some 45 minutes with 5 runs each on two quiet processors: 12 for the five
peers that are stopped. All the rest, an hour more: daemon-soak takes half of it.

  --case NAME        only these; \`peers\`: all with peers. There are: ${[...cases, ...daemonCases].map(({ name }) => name).join(', ')}
  --runs N           runs of each contender; default: the case's own number, else 5
  --only NAME        only these contenders: ${contenders.map(({ name }) => name).join(', ')}
  --scale FRACTION   smaller work, to try the benchmark itself
  --write            put the results into BENCHMARKS.md, case by case`;

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
    cases:
      values.case === 'peers' ? cases : named('--case', values.case, [...cases, ...daemonCases]),
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

const introduction = `# Benchmarks

Made by \`npm run bench -- --write\`, which builds ferryline, makes the work (the same bytes every time), starts OpenSSH's sshd on loopback and lets ferryline and its peers do the work in turn, each as a whole process from start to end. \`npm run bench -- --case NAME\` runs one case.

- Everybody speaks ${cipher}: the server offers nothing else.
- Before each run the destination is removed, or put back into what the case says. After each run it is compared with the source: names, every byte, and mtimes in whole seconds. Where there is nothing to do, nothing may have been touched: inode, size, mtime and ctime of every entry.
- A round trip comes from a proxy that holds each chunk for half of it each way, without a limit to the rate.
- "ferryline is 2.00×": it took half the time. CPU is user and system time of the client's process and of all that it started (ssh, say); in \`big-up\` and \`big-down\` that is for one GiB. Memory is the most that the largest of these processes had resident. The aims are for ferryline's own transport.
- A contender that takes longer than ${patience} s is stopped. One that was stopped, or took more than ${tooSlow.seconds} s and ${tooSlow.times} times as long as ferryline, ran once.
- Each peer is named with its version, Debian's; newer ones exist, of rclone above all. One large file is also copied by rclone with larger requests, and more of them at once, and down by lftp in 8 segments. Otherwise lftp copies with 16 files at once (\`-P 16\`); \`sftp\` with \`put -pr\` and \`get -pr\`; rclone with \`copy\`, or \`sync\` where ferryline mirrors, rsync with \`--delete\` there. rsync needs its own program on the server too; the others need SFTP only.
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
  return section(one.name, one.about, caseText(one, results, patience));
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
