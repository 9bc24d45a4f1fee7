/** Which state folder a command uses, and that it belongs to one jobs.yml and one user. */
import {
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { isRoot, serverAccount } from '../kit/account.js';
import { test } from '../kit/base.js';
import type { Scene } from '../kit/scene.js';

const fixture = join(import.meta.dirname, '../state/fixtures/shared');

/** Without a state folder in the environment: jobs.yml and its path decide. */
const unset = { env: { FERRYLINE_STATE_DIR: '' } };
const sharedOf = (scene: Scene) => join(scene.cwd, '.local/state/ferryline');

/** Another jobs.yml of the same content, in a folder of its own. */
function otherConfig(scene: Scene): string {
  const other = join(scene.cwd, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'jobs.yml'), readFileSync(join(scene.cwd, 'jobs.yml')));
  return join(other, 'jobs.yml');
}

/** Changes jobs.yml of the scene. */
function edit(scene: Scene, change: (jobs: Record<string, unknown>) => void): void {
  const file = join(scene.cwd, 'jobs.yml');
  const jobs = parse(readFileSync(file, 'utf8'));
  change(jobs);
  writeFileSync(file, stringify(jobs));
}

test('each jobs.yml has a folder of its own, named for its path', async ({ scene }) => {
  scene.writeHere({ a: 'a' });
  expect((await scene.cli(['run', 'job'], unset)).code).toBe(0);
  const other = otherConfig(scene);
  mkdirSync(join(scene.cwd, 'other/data'));
  const refused = await scene.cli(['run', 'job', '-c', other], unset);
  // its source is empty, as the guard says: it got as far as that
  expect(refused.code).toBe(7);
  expect((await scene.cli(['push', 'data', `archive:${scene.place}/b`], unset)).code).toBe(0);
  const folders = readdirSync(sharedOf(scene)).sort();
  expect(folders).toEqual([
    'ad-hoc',
    expect.stringMatching(/^ferryline-test-.*-[0-9a-f]{8}$/),
    expect.stringMatching(/^other-[0-9a-f]{8}$/),
  ]);
  expect((await scene.cli(['runs', '--json'], unset)).events).toMatchObject([{ job: 'job' }]);
});

test('a folder of another jobs.yml is refused, naming both, until that one is gone', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a' });
  expect((await scene.cli(['run', 'job'])).code).toBe(0);
  const other = otherConfig(scene);
  const said = `the state folder ${join(scene.cwd, '.state')} belongs to ${join(scene.cwd, 'jobs.yml')}, not to ${other}`;
  for (const verb of [['run', 'job'], ['plan', 'job'], ['start'], ['status'], ['runs']]) {
    const { code, stderr } = await scene.cli([...verb, '-c', other]);
    expect([verb, code, stderr]).toEqual([verb, 8, expect.stringContaining(said)]);
  }
  rmSync(join(scene.cwd, 'jobs.yml'));
  mkdirSync(join(scene.cwd, 'other/data'));
  writeFileSync(join(scene.cwd, 'other/data/a'), 'a');
  const adopted = await scene.cli(['run', 'job', '-c', other]);
  expect(adopted.stderr).toContain(`it now belongs to ${other}`);
  expect(adopted.code).toBe(0);
});

test('stateDir of jobs.yml holds, also for commands that only talk to a daemon, whatever else is wrong in it', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a' });
  edit(scene, (jobs) => {
    jobs.stateDir = './kept';
  });
  expect((await scene.cli(['run', 'job'], unset)).code).toBe(0);
  expect(readdirSync(join(scene.cwd, 'kept/runs'))).toEqual(['job']);
  edit(scene, (jobs) => {
    jobs.nonsense = true;
  });
  const runs = await scene.cli(['runs', '--json'], unset);
  expect([runs.code, runs.events]).toMatchObject([0, [{ job: 'job' }]]);
  const status = await scene.cli(['status'], unset);
  expect([status.code, status.stderr]).toEqual([
    4,
    expect.stringContaining(`no daemon runs with the state folder ${join(scene.cwd, 'kept')}`),
  ]);
  writeFileSync(join(scene.cwd, 'jobs.yml'), 'stateDir: "./kept" # here\njobs: [}\n');
  expect((await scene.cli(['runs', '--json'], unset)).events).toMatchObject([{ job: 'job' }]);
});

test('what an earlier version kept in one folder moves to that of the jobs.yml, and is reported', async ({
  scene,
}) => {
  cpSync(fixture, sharedOf(scene), { recursive: true });
  scene.writeHere({ a: 'a' });
  edit(scene, (jobs) => {
    const { job } = jobs.jobs as Record<string, object>;
    jobs.jobs = { nightly: job, publish: { ...job, operation: 'push' } };
  });
  const first = await scene.cli(['run', 'publish'], unset);
  expect([first.code, first.stderr]).toEqual([
    0,
    expect.stringMatching(
      /an earlier version kept all state in .*: 2 runs and what belongs to them moved to/,
    ),
  ]);
  const { events } = await scene.cli(['runs', '--json'], unset);
  expect(events.map(({ run, job }) => [run, job]).slice(1)).toEqual([
    ['20261130T025743Z-g6d6a666', 'publish'],
    ['20261130T025740Z-kx3000ec', 'nightly'],
  ]);
  expect((await scene.cli(['logs', '20261130T025740Z-kx3000ec'], unset)).code).toBe(0);
  expect((await scene.cli(['run', 'publish'], unset)).stderr).not.toContain('earlier version');
});

describe("a folder of another user's", () => {
  /** One that is not the tester's: root's, or for root the test user's. */
  async function foreign(scene: Scene): Promise<[folder: string, owner: string]> {
    if (!isRoot) return ['/usr/lib', 'root'];
    const { username, uid, gid } = serverAccount();
    const folder = join(scene.cwd, 'foreign');
    mkdirSync(folder);
    chownSync(folder, uid, gid);
    return [folder, username];
  }

  test('2, for root too, with the line to type', async ({ scene }) => {
    const [folder, owner] = await foreign(scene);
    const env = { FERRYLINE_STATE_DIR: folder };
    for (const verb of [['run', 'job'], ['start']]) {
      const { code, stderr } = await scene.cli(verb, { env });
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining(`the state folder ${folder} belongs to user ${owner}`),
      ]);
      expect(stderr).toContain(
        `sudo -u ${owner} -H env FERRYLINE_STATE_DIR=${folder} ferryline -c ${join(scene.cwd, 'jobs.yml')} ${verb.join(' ')}\n`,
      );
    }
    expect(isRoot ? readdirSync(folder) : []).toEqual([]);
  });
});

test('the folder of the machine’s service is known by its record, without its environment', async ({
  scene,
}) => {
  const place = join(scene.cwd, 'var-lib');
  const state = join(place, 'ferryline');
  mkdirSync(state, { recursive: true });
  const config = join(scene.cwd, 'jobs.yml');
  writeFileSync(join(state, 'state.json'), JSON.stringify({ format: 1, config }));
  // A mount namespace of its own, in which /var/lib is the test's.
  const script = `mount --bind '${place}' /var/lib && exec "$0" "$@"`;
  const wrap = ['unshare', isRoot ? '-m' : '-Urm', 'sh', '-c', script];
  const status = await scene.cli(['status'], { ...unset, wrap });
  expect([status.code, status.stderr]).toEqual([
    4,
    expect.stringContaining('no daemon runs with the state folder /var/lib/ferryline'),
  ]);
  const other = await scene.cli(['status', '-c', otherConfig(scene)], { ...unset, wrap });
  expect(other.stderr).not.toContain('/var/lib');
  if (!isRoot) return;
  const { username, uid, gid } = serverAccount();
  for (const path of [state, join(state, 'state.json')]) chownSync(path, uid, gid);
  const run = await scene.cli(['run', 'job'], { ...unset, wrap });
  expect([run.code, run.stderr]).toEqual([
    2,
    expect.stringContaining(
      `sudo -u ${username} -H env FERRYLINE_STATE_DIR=/var/lib/ferryline ferryline -c ${config} run job\n`,
    ),
  ]);
});
