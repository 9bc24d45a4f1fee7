/** What needs no server: usage, configuration, and the verbs that only print. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ferryline, writeJobs } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';

let cwd: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
});

const run = (...args: string[]) => ferryline(args, { cwd });

const jobs = {
  remotes: { archive: { host: '127.0.0.1', username: 'u', hostKey: `SHA256:${'A'.repeat(43)}` } },
  jobs: {
    nightly: { operation: 'mirror', from: './data', to: 'archive:data' },
    upload: { operation: 'push', from: './data', to: 'archive:in' },
  },
};

describe('usage', () => {
  test('schema KEY says what a key is for; a word that is none: 2', async () => {
    const { code, stdout } = await run('schema', 'jobs.nightly.delete');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^jobs\.delete\n {2}What a mirror/)]);
    expect(stdout).toContain('\n  example  delete: 20%\n');
    expect(stdout).toContain('\n    jobs.delete.max  ');
    const { events } = await run('schema', 'port', '--json');
    expect(events).toMatchObject([{ event: 'key', name: 'remotes.port', default: '22' }]);
    const wrong = await run('schema', 'port', 'comparre');
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toContain('did you mean "compare"?');
  });

  test('with -v a defect names the lines of the sources', async () => {
    await writeJobs(cwd, jobs);
    const broken = join(cwd, 'broken.cjs');
    writeFileSync(
      broken,
      "require('node:fs/promises').stat = () => { throw new Error('broken on purpose'); };",
    );
    const env = { NODE_OPTIONS: `--require ${broken}`, FERRYLINE_STATE_DIR: '' };
    const { code, stderr } = await ferryline(['run', 'upload', '-n', '-v'], { cwd, env });
    expect([code, stderr]).toEqual([1, expect.stringContaining('error: broken on purpose\n')]);
    expect(stderr).toMatch(/^ +at .*\/src\/cli\/state\.ts:\d+:\d+\)$/m);
  });

  test('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await run('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test.each([
    [['--worker', '9'], '--worker does not take "9"'],
    [['--roles', 'worker,cook'], '"cook" is not a role'],
    [['--roles', 'scheduler,api'], 'the queue is embedded in one process, and --roles leaves out'],
    [['--wait-queue', 'long'], '--wait-queue does not take "long"'],
    [['--concurrency', '0'], '--concurrency takes a whole number from 1 to 100'],
  ])('start %j is refused before anything is opened', async (flags, message) => {
    await writeJobs(cwd, jobs);
    const { code, stderr } = await run('start', ...flags);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(existsSync(join(cwd, '.state'))).toBe(false);
  });

  test('--help groups the verbs, running first', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    const order = [
      'Run jobs:',
      '\n  run ',
      '\n  plan ',
      'The daemon:',
      '\n  start ',
      '\n  status ',
      'Set up:',
      '\n  doctor ',
      'Without jobs.yml:',
      '\n  push ',
    ];
    const places = order.map((text) => stdout.indexOf(text));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  test.each([
    [['strat'], 'unknown command'],
    [['vaildate'], 'Did you mean validate?'],
    [['run', '--exclud', 'x', 'j'], 'Did you mean --exclude?'],
    [['explain', 'j'], 'missing required argument'],
    [['enqueue'], 'enqueue needs the name of a job'],
    [['enqueue', 'j', '--all'], 'either names or --all'],
    [['push', 'a', 'b', '-P', '0'], '-P takes a whole number from 1 to 65535'],
    [['run', '--attempts', 'often', 'j'], '--attempts takes a whole number'],
    [['completion', 'tcsh'], 'bash, zsh, fish'],
    [[], 'Usage: ferryline'],
  ])('%j is wrong usage: 2', async (args, says) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(says);
  });

  test.each([
    [['sync', 'a', 'b:c'], 'use `ferryline mirror FROM TO`'],
    [['lsf', 'b:c'], 'use `ferryline ls REMOTE:path`'],
    [['push', 'a', 'b:c', '--delete'], 'use `ferryline mirror`'],
    [['mirror', 'a', 'b:c', '-a'], 'there is no --archive; leave it out'],
    [['push', 'a', 'b:c', '--checksum'], 'use --compare checksum'],
    [['run', 'j', '--backup-dir', 'x'], 'use --trash-dir'],
    [['run', 'j', '--retries', '3'], 'use --attempts'],
    [['push', 'a', 'b:c', '-e', 'ssh'], 'use -i KEY'],
    [['plan', 'j', '--exclude-from', 'x'], '--ignore-file'],
  ])("%j is another tool's: 2, with our word", async (args, says) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(says);
  });

  test('wrong arguments show the usage of the command', async () => {
    const { stderr } = await run('explain', 'j');
    expect(stderr).toContain('usage: ferryline explain [options] <job> <path>');
  });

  test.each([['-nv'], ['-vn'], ['-nqv'], ['-nvv']])('flags in one word: %s', async (flags) => {
    const { code, stderr } = await run('run', 'j', flags);
    expect([code, stderr]).toEqual([2, expect.stringContaining('no jobs.yml was found')]);
  });

  test('help VERB is its --help', async () => {
    const help = await run('help', 'push');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toBe((await run('push', '--help')).stdout);
    expect(help.stdout).not.toContain('--archive');
  });

  test.each(['rollback', 'releases'])('%s is known, and not in this version: 2', async (verb) => {
    const result = await run(verb, '--roles', 'x');
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(`\`ferryline ${verb}\` is not in this version`);
  });
});

describe('configuration', () => {
  test('without any: 2, with the files that were looked for', async () => {
    const result = await run('run', 'nightly');
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(join(cwd, 'jobs.yml'));
    expect(result.stderr).toContain('ferryline init');
  });

  test('one that is named must be there: 2', async () => {
    for (const verb of [['validate'], ['push', 'a', 'box:b']]) {
      const result = await run(...verb, '-c', 'other.yml');
      expect(result.code).toBe(2);
      expect(result.stderr).toContain(`error: ${join(cwd, 'other.yml')} does not exist\n`);
    }
  });

  test.each([
    ['before', ['-c', 'other.yml', 'validate']],
    ['after', ['validate', '--config', 'other.yml']],
  ])('flags for every verb may come %s it', async (_, args) => {
    await writeJobs(cwd, 'jobs: [wrong]');
    writeFileSync(join(cwd, 'other.yml'), JSON.stringify(jobs));
    expect(await run(...args)).toMatchObject({ code: 0, stdout: 'ok: 2 jobs, 1 remote\n' });
  });

  test('FERRYLINE_CONFIG comes before ./jobs.yml', async () => {
    await writeJobs(cwd, 'jobs: [wrong]');
    writeFileSync(join(cwd, 'other.yml'), JSON.stringify(jobs));
    const result = await ferryline(['validate'], { cwd, env: { FERRYLINE_CONFIG: 'other.yml' } });
    expect(result.code).toBe(0);
  });

  test('an unknown job: 2, with the one meant and the list', async () => {
    await writeJobs(cwd, jobs);
    for (const verb of [['run'], ['plan'], ['run', 'upload'], ['run', '--json']]) {
      const result = await run(...verb, 'nightli');
      expect(result.code).toBe(2);
      expect(result.events.map(({ event }) => event)).toEqual(
        verb.includes('--json') ? ['error'] : [],
      );
      expect(result.stderr).toContain('did you mean "nightly"?');
      expect(result.stderr).toContain('nightly, upload');
    }
  });

  test('run without a job: 2, with the list', async () => {
    await writeJobs(cwd, jobs);
    const result = await run('run');
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('nightly, upload');
  });

  test('every mistake is reported once, with its position', async () => {
    await writeJobs(cwd, 'jobs:\n  nightly:\n    operation: mirorr\n    from: ./a\n');
    const result = await run('validate');
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/^error: jobs\.yml:\d+:\d+ jobs\.nightly/);
    expect(result.stderr).toMatch(/jobs\.yml:3:16 /);
  });

  test('a flag follows the same rules as its key: 2', async () => {
    await writeJobs(cwd, jobs);
    const result = await run('run', 'nightly', '--compare', 'colour');
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('compare');
  });

  test('one with secrets that others can read gets a warning; the secret is never shown', async () => {
    const secret = 'canary-hunter2';
    const { archive } = jobs.remotes;
    const file = await writeJobs(cwd, {
      ...jobs,
      remotes: { archive: { ...archive, auth: { password: secret } } },
    });
    chmodSync(file, 0o644);
    const open = await run('validate');
    expect(open.code).toBe(0);
    expect(open.stderr).toMatch(/warning: .*chmod 600/);
    chmodSync(file, 0o600);
    const closed = await run('validate');
    expect(closed.stderr).not.toContain('warning');
    const json = await run('validate', '--json');
    for (const { stdout, stderr } of [open, closed, json]) {
      expect(stdout + stderr).not.toContain(secret);
    }
  });

  test('--json prints what was found as one line', async () => {
    await writeJobs(cwd, jobs);
    const { events } = await run('validate', '--json');
    expect(events).toMatchObject([
      {
        event: 'validate',
        jobs: ['nightly', 'upload'],
        remotes: ['archive'],
        warnings: expect.any(Array),
      },
    ]);
  });
});

test('init writes a file that validates, and never replaces one', async () => {
  const first = await run('init');
  expect(first).toMatchObject({ code: 0, stdout: `${join(cwd, 'jobs.yml')}\n` });
  expect(await run('validate')).toMatchObject({ code: 0, stdout: 'ok: 1 job, 1 remote\n' });
  const text = readFileSync(join(cwd, 'jobs.yml'), 'utf8');
  // the first job of the README, and of no other file another one
  const readme = readFileSync('README.md', 'utf8');
  const shown = parse(/```yaml\n(.*?)```/s.exec(readme)?.[1] ?? '');
  expect(parse(text)).toEqual(shown);
  const job = { operation: 'mirror', from: './data', to: 'archive:data', trash: true };
  expect(shown.jobs).toEqual({ nightly: job });
  expect(parse(readFileSync('jobs.yml', 'utf8')).jobs.nightly).toMatchObject(job);
  const second = await run('init');
  expect(second.code).toBe(2);
  expect(second.stderr).toContain('already exists');
});

test('schema prints the schema that is committed', async () => {
  const { code, stdout } = await run('schema');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync('jobs.schema.json', 'utf8')));
});

describe('ad hoc', () => {
  test.each([
    [['push', './a', './b'], 'both local'],
    [['pull', './a', 'host:b'], 'pull'],
    [['push', './a', 'sftp://user:pw-canary@host/b'], 'password'],
    [['mirror', './a', 'host:b', '--after', 'delete'], 'after'],
  ])('%j is no job: 2', async (args, says) => {
    mkdirSync(join(cwd, 'a'));
    const result = await run(...args);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(says);
    expect(result.stderr).not.toContain('pw-canary');
  });

  test('-i and -P are not for remotes of jobs.yml: 2', async () => {
    await writeJobs(cwd, jobs);
    const result = await run('push', './a', 'archive:b', '-P', '2222');
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('archive is a remote of');
  });
});

test('nothing but what was asked for is written', async () => {
  await writeJobs(cwd, jobs);
  await run('validate');
  await run('run', 'nope');
  expect(existsSync(join(cwd, '.state'))).toBe(false);
});

test.each([
  [['fr\u001b[31mob']],
  [['run', '--no-such\u202e']],
  [['run', '--attempts', '\u0007x', 'j']],
])('%j is named without its control characters', async (args) => {
  const { code, stderr } = await run(...args);
  expect(code).toBe(2);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not reach a terminal
  expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
});

describe('what stdout does not take', () => {
  const main = join(process.cwd(), 'dist/cli/main.js');
  const shell = (line: string) =>
    spawnSync('bash', ['-c', line, process.execPath, main], { cwd, encoding: 'utf8' });

  test('a reader that takes its time gets everything', () => {
    const { stdout } = shell('"$0" "$1" schema | { sleep 0.3; wc -c; }');
    expect(Number(stdout)).toBe(readFileSync('jobs.schema.json').length);
  });

  test('a full disk is said, and ends with 1', () => {
    const { status, stderr } = shell('"$0" "$1" schema > /dev/full');
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("the output can't be written: ENOSPC"),
    ]);
  });

  test('a reader that leaves ends nothing', () => {
    const { stdout, stderr } = shell('"$0" "$1" schema | head -c 1; echo "${PIPESTATUS[0]}"');
    expect([stdout, stderr]).toEqual(['{0\n', '']);
  });
});
