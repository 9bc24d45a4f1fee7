import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  adHocStateFolder,
  configCandidates,
  defaultStateFolder,
  environmentStateFolder,
  findConfig,
} from '../../src/cli/folders.js';
import { workingFolder } from '../../src/cli/working-folder.js';
import { temporaryFolder } from '../kit/files/temporary.js';

let home: string;
let cwd: string;

beforeEach(async () => {
  home = await temporaryFolder();
  cwd = join(home, 'work');
  mkdirSync(cwd);
});

const around = (env: Record<string, string> = {}) => ({ env, home, cwd, args: [], uid: 1000 });

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
  test.each<[Record<string, string>, string | undefined]>([
    [{}, undefined],
    [{ XDG_STATE_HOME: '/xdg' }, undefined],
    [{ STATE_DIRECTORY: '/var/lib/f:/other' }, '/var/lib/f'],
    [{ STATE_DIRECTORY: '/var/lib/f', FERRYLINE_STATE_DIR: '/own' }, '/own'],
    [{ STATE_DIRECTORY: '', FERRYLINE_STATE_DIR: '' }, undefined],
    [{ FERRYLINE_STATE_DIR: 'state' }, '~/work/state'],
  ])('that the environment %j names is %s', (env, expected) => {
    expect(environmentStateFolder(around(env))).toBe(expected?.replace('~', home));
  });

  test.each([
    ['/srv/shop/jobs.yml', '/s/shop-8d88a45e'],
    ['/srv/shop/other.yml', '/s/shop-f9511af5'],
    ['/jobs.yml', '/s/root-d84e05a0'],
    [`/${'x'.repeat(255)}/jobs.yml`, `/s/${'x'.repeat(60)}-edb2fc3f`],
  ])('of %s is %s by default', (file, expected) => {
    expect(defaultStateFolder('/s', file)).toBe(expected);
  });

  test.each<[Record<string, string>, string]>([
    [{}, '~/.local/state/ferryline/ad-hoc'],
    [{ XDG_STATE_HOME: '/xdg' }, '/xdg/ferryline/ad-hoc'],
    [{ XDG_STATE_HOME: 'relative' }, '~/.local/state/ferryline/ad-hoc'],
    [{ STATE_DIRECTORY: '/var/lib/f' }, '/var/lib/f/ad-hoc'],
    [{ FERRYLINE_STATE_DIR: '/own' }, '/own/ad-hoc'],
  ])('of ad hoc runs with %j is %s', (env, expected) => {
    expect(adHocStateFolder(around(env))).toBe(expected.replace('~', home));
  });
});

describe('the working folder', () => {
  test('keeps the link by which the shell entered it, so that its state folder stays when the link is switched', () => {
    const link = join(home, 'current');
    symlinkSync(cwd, link);
    expect(workingFolder(link, cwd)).toBe(link);
  });

  test.each(['/somewhere/else', 'relative', '', undefined])(
    'is the real one with PWD %s',
    (pwd) => {
      expect(workingFolder(pwd, cwd)).toBe(cwd);
    },
  );
});
