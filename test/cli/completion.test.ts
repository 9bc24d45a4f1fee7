/** `ferryline completion`: its scripts in bash, zsh and fish. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
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

describe('completion', () => {
  /** What a shell offers for the last of these words, as one text. */
  type Offers = (...words: string[]) => Promise<string>;

  /** Runs a script of the shell, with `ferryline` in its PATH and the words as its arguments. */
  async function inShell(shell: string, flags: readonly string[], script: string, words: string[]) {
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const program = `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`;
    writeFileSync(join(cwd, 'ferryline'), program, { mode: 0o755 });
    const { stdout } = await run('completion', shell);
    writeFileSync(join(cwd, 'script'), stdout);
    return execFileSync(shell, [...flags, '-c', `source ./script\n${script}`, '_', ...words], {
      ...{ cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      env: { PATH: `${cwd}:${process.env.PATH}`, HOME: cwd, FERRYLINE_STATE_DIR: join(cwd, 's') },
    });
  }

  const shells: readonly (readonly [string, Offers])[] = [
    [
      'bash',
      (...words) =>
        inShell(
          'bash',
          ['--norc'],
          'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ferryline; printf "%s\\n" "${COMPREPLY[@]}"',
          words,
        ),
    ],
    [
      'zsh',
      (...words) =>
        inShell(
          'zsh',
          ['-f'],
          // what only a line editor has, said instead
          `compadd() { shift \${@[(i)--]}; print -lr -- \${(M)@:#$PREFIX*} }
           _describe() { print -lr -- \${(M)\${verbs%%:*}:#$PREFIX*} }; _files() { }
           words=("$@"); CURRENT=$#; PREFIX=$words[$CURRENT]; _ferryline`,
          words,
        ),
    ],
    [
      'fish',
      (...words) => inShell('fish', ['--no-config'], `complete -C "${words.join(' ')}"`, []),
    ],
  ];

  test.each(shells)(
    '%s offers verbs, flags, and names of the jobs.yml that is meant',
    async (_, offers) => {
      await writeJobs(cwd, jobs);
      const other = join(cwd, 'other.yml');
      writeFileSync(
        other,
        readFileSync(join(cwd, 'jobs.yml'), 'utf8').replace('nightly:', 'evening:'),
      );
      const names = async (...words: string[]) => {
        const lines = (await offers('ferryline', ...words)).trim().split('\n');
        return lines.map((line) => line.split('\t')[0]);
      };
      expect(await names('va')).toContain('validate');
      expect(await names('-c', other, 'va')).toContain('validate');
      expect(await names('push', '--ident')).toEqual(['--identity']);
      expect(await names('-v', 'plan', '--exit')).toEqual(['--exit-code']);
      expect(await names('run', '')).toEqual(['nightly', 'upload']);
      expect(await names('-c', other, 'pause', '')).toEqual(['evening', 'upload']);
      expect(await names('doctor', 'arch')).toEqual(['archive']);
      expect(await names('push', 'arch')).toContain('archive:');
      for (const verb of ['runs', 'logs'])
        expect((await names(verb, '')).sort()).toEqual(['latest', 'nightly', 'upload']);
      writeFileSync(other, 'jobs: [');
      expect(await names('-c', other, 'run', 'x')).toEqual(['']);
    },
  );

  test('runs are offered by their jobs, then by their ids, newest first', async () => {
    const { newRunId } = await import('../../src/core/run-id.js');
    const ids = [1, 2].map((n) => newRunId(Date.UTC(2026, 0, n)));
    mkdirSync(join(cwd, '.state/runs/nightly'), { recursive: true });
    for (const id of ids) writeFileSync(join(cwd, '.state/runs/nightly', `${id}.json`), '{}');
    await writeJobs(cwd, jobs);
    expect((await run('__names', 'runs')).stdout.trim().split('\n')).toEqual([
      ...['nightly', 'upload', 'latest'],
      ...ids.reverse(),
    ]);
  });
});
