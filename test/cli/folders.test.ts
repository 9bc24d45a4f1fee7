import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  configCandidates,
  findConfig,
  makeStateFolder,
  stateFolder,
} from '../../src/cli/folders.js';
import { temporaryFolder } from '../kit/files/temporary.js';

let home: string;
let cwd: string;

beforeEach(async () => {
  home = await temporaryFolder();
  cwd = join(home, 'work');
  mkdirSync(cwd);
});

const around = (env: Record<string, string> = {}) => ({ env, home, cwd });

function write(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'jobs: {}\n');
  return path;
}

describe('the configuration', () => {
  test('is found in this order', () => {
    const env = { FERRYLINE_CONFIG: 'from-env.yml', XDG_CONFIG_HOME: join(home, 'xdg') };
    expect(findConfig(around())).toBe(undefined);
    const user = write(join(home, '.config/ferryline/jobs.yml'));
    expect(findConfig(around())).toBe(user);
    const xdg = write(join(home, 'xdg/ferryline/jobs.yml'));
    expect(findConfig(around({ XDG_CONFIG_HOME: env.XDG_CONFIG_HOME }))).toBe(xdg);
    const here = write(join(cwd, 'jobs.yml'));
    expect(findConfig(around({ XDG_CONFIG_HOME: env.XDG_CONFIG_HOME }))).toBe(here);
    expect(findConfig(around(env))).toBe(join(cwd, 'from-env.yml'));
    expect(findConfig(around(env), 'named.yml')).toBe(join(cwd, 'named.yml'));
  });

  test('may be the whole machine’s; empty and relative variables count as unset', () => {
    const env = { FERRYLINE_CONFIG: '', XDG_CONFIG_HOME: 'relative' };
    expect(configCandidates(around(env))).toEqual([
      join(cwd, 'jobs.yml'),
      join(home, '.config/ferryline/jobs.yml'),
      '/etc/ferryline/jobs.yml',
    ]);
  });
});

describe('the state folder', () => {
  test.each<[Record<string, string>, string]>([
    [{}, '~/.local/state/ferryline'],
    [{ XDG_STATE_HOME: '/xdg' }, '/xdg/ferryline'],
    [{ XDG_STATE_HOME: '/xdg', STATE_DIRECTORY: '/var/lib/f:/other' }, '/var/lib/f'],
    [{ STATE_DIRECTORY: '/var/lib/f', FERRYLINE_STATE_DIR: '/own' }, '/own'],
    [{ FERRYLINE_STATE_DIR: 'state' }, '~/work/state'],
  ])('with %j is %s', (env, expected) => {
    expect(stateFolder(around(env))).toBe(expected.replace('~', home));
  });

  test('is made for its owner only', async () => {
    const folder = await makeStateFolder(around());
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('that can’t be made is a config error that says what to set', async () => {
    write(join(home, 'file'));
    await expect(
      makeStateFolder(around({ FERRYLINE_STATE_DIR: join(home, 'file/state') })),
    ).rejects.toMatchObject({
      kind: 'config',
      hint: expect.stringContaining('FERRYLINE_STATE_DIR'),
    });
  });
});
