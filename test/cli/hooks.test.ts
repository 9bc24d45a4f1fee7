/** The commands of a job around its runs: when each runs, what it gets, and what its failure makes of the run. */
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { readTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

/** Writes a script into the working folder, and returns the command that runs it. */
function script(scene: Scene, name: string, text: string): string[] {
  const path = join(scene.cwd, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return [`./${name}`];
}

/** A command that adds a line to `said` in the working folder. */
function says(scene: Scene, word: string): string[] {
  return script(scene, `${word}.sh`, `echo "${word} $FERRYLINE_ATTEMPT $FERRYLINE_OUTCOME" >>said`);
}

function said(scene: Scene): string[] {
  const path = join(scene.cwd, 'said');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

/** Every hook, each of which says that it ran. */
function all(scene: Scene) {
  const hook = (name: string) => ({ [name]: says(scene, name) });
  return { ...hook('before'), ...hook('success'), ...hook('failure'), ...hook('always') };
}

test('before runs first, what it makes is sent, and those after get the report, the files and what they may have of the environment', async ({
  scene,
}) => {
  const after = 'cat >report; cp "$FERRYLINE_LOG" files; env >env';
  const hooks = {
    before: script(scene, 'dump.sh', 'mkdir -p data; echo dump >data/made; echo "it is made"'),
    success: script(scene, 'after.sh', after),
    env: ['GIVEN', 'UNSET'],
  };
  await scene.jobs({ operation: 'push', hooks });
  const env = { GIVEN: 'g', SECRET: 's', TZ: 'UTC' };
  const result = await scene.cli(['run', 'job', '-v'], { env });
  expect([result.code, result.stderr]).toEqual([0, expect.stringContaining('before: it is made')]);
  expect(readTree(scene.there())).toEqual({ made: 'dump\n' });
  const report = JSON.parse(readFileSync(join(scene.cwd, 'report'), 'utf8'));
  expect(report).toMatchObject({ job: 'job', outcome: 'succeeded', files: { copied: 1 } });
  expect(report.hooks).toEqual([{ hook: 'before', seconds: expect.any(Number) }]);
  const files = readFileSync(join(scene.cwd, 'files'), 'utf8').trim().split('\n');
  expect(files.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ event: 'file', action: 'copy', path: 'made', bytes: 5 }),
  );
  const lines = readFileSync(join(scene.cwd, 'env'), 'utf8').trim().split('\n');
  const names = lines.map((line) => line.replace(/=.*/, ''));
  expect(names.filter((name) => !/^(PWD|OLDPWD|SHLVL|_|LANG|HOME)$/.test(name)).sort()).toEqual([
    ...['FERRYLINE_ATTEMPT', 'FERRYLINE_CONFIG', 'FERRYLINE_JOB', 'FERRYLINE_LOG'],
    ...['FERRYLINE_OUTCOME', 'FERRYLINE_RUN', 'FERRYLINE_STATE_DIR', 'GIVEN', 'PATH', 'TZ'],
  ]);
  expect(lines).toContain(`FERRYLINE_CONFIG=${join(scene.cwd, 'jobs.yml')}`);
  // the list is gone with the run
  expect(readdirSync(join(scene.cwd, '.state/hooks/job'))).toEqual([]);
});

test('one that fails before refuses the run, with nothing touched', async ({ scene }) => {
  scene.writeHere({ a: 'a' });
  const before = script(scene, 'check.sh', 'echo "the disk is not mounted" >&2; exit 3');
  await scene.jobs({ operation: 'push', hooks: { ...all(scene), before } });
  const { code, report } = await scene.run('--attempts', '3');
  expect([code, report.outcome]).toEqual([7, 'refused']);
  expect(report.error).toMatchObject({
    kind: 'refused',
    message: 'hook before failed: ./check.sh ended with 3: the disk is not mounted',
  });
  expect(existsSync(scene.there())).toBe(false);
  expect(said(scene)).toEqual(['failure 1 refused', 'always 1 refused']);
});

test('one that fails after makes the run incomplete, and no other attempt follows', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a' });
  const success = script(scene, 'deploy.sh', 'echo success >>said; exit 1');
  await scene.jobs({ operation: 'push', hooks: { ...all(scene), success } });
  const { code, report } = await scene.run('--attempts', '3');
  expect([code, report.outcome, report.files.copied]).toEqual([3, 'incomplete', 1]);
  expect(report.error.message).toBe('hook success failed: ./deploy.sh ended with 1');
  expect(report.hooks.map(({ hook }: { hook: string }) => hook)).toEqual([
    ...['before', 'success', 'always'],
  ]);
  expect(said(scene)).toEqual(['before 1 ', 'success', 'always 1 succeeded']);
  const [last] = (await scene.cli(['runs', '--json'])).events;
  expect(last).toMatchObject({ outcome: 'incomplete' });
});

test('attempts: before runs at each, the others after the last, with the files of all; a dry run has none', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a', x: 'x' });
  scene.writeThere({ 'x/in-the-way': '' });
  const clear = `[ "$FERRYLINE_ATTEMPT" = 1 ] || rm -rf '${scene.there('x')}'; echo before >>said`;
  const success = script(scene, 'list.sh', 'cp "$FERRYLINE_LOG" files; echo success >>said');
  const hooks = { ...all(scene), before: script(scene, 'clear.sh', clear), success };
  await scene.jobs({ operation: 'push', hooks, retry: { backoff: '1s' } });
  expect((await scene.cli(['run', 'job', '--dry-run'])).code).toBe(3);
  expect(said(scene)).toEqual([]);
  expect((await scene.run('--attempts', '2')).code).toBe(0);
  expect(said(scene)).toEqual(['before', 'before', 'success', 'always 2 succeeded']);
  const lines = readFileSync(join(scene.cwd, 'files'), 'utf8').trim().split('\n');
  const copied = lines.map((line) => JSON.parse(line)).filter(({ action }) => action === 'copy');
  expect(copied.map(({ path }) => path)).toEqual(['a', 'x']);
});

test('stopped by Ctrl-C between two attempts: always follows', async ({ scene }) => {
  scene.writeHere({ x: 'x' });
  scene.writeThere({ 'x/in-the-way': '' });
  await scene.jobs({ operation: 'push', hooks: all(scene), retry: { backoff: '1h' } });
  const live = startFerryline(['run', 'job', '--attempts', '2'], { cwd: scene.cwd });
  await live.said(/attempt 2 in/);
  live.child.kill('SIGINT');
  expect((await live.ended).code).toBe(130);
  expect(said(scene)).toEqual(['before 1 ', 'always 2 cancelled']);
});

test('row 44: file names as commands in hooks', async ({ scene }) => {
  const canary = join(scene.cwd, 'canary');
  const names = [`$(touch canary)`, ';touch canary', '-rf', 'a\ntouch canary\n', '`touch canary`'];
  scene.writeHere(Object.fromEntries(names.map((name) => [name, 'x'])));
  const after = 'cat >report; cp "$FERRYLINE_LOG" files';
  await scene.jobs({ operation: 'push', hooks: { success: script(scene, 'after.sh', after) } });
  expect((await scene.run()).code).toBe(0);
  const lines = readFileSync(join(scene.cwd, 'files'), 'utf8').trim().split('\n');
  const paths = lines.map((line) => JSON.parse(line).path);
  expect(paths.sort()).toEqual(names.sort());
  expect(existsSync(canary) || existsSync(scene.here('canary'))).toBe(false);
});

test('in a daemon: a run that is cancelled stops its command, keeps no login meanwhile, and always follows', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a' });
  const before = script(scene, 'wait.sh', 'echo before >>said; [ -e go ] || exec sleep 1000');
  const remote = { maxSessions: 1 };
  const hooks = { ...all(scene), before };
  await scene.jobs({ operation: 'push', hooks, retry: { backoff: '1h' } }, remote);
  const daemon = await startDaemon(scene);
  const [asked] = (await scene.cli(['enqueue', 'job', '--json'])).events;
  await eventually(() => said(scene).length === 1);
  // the only login is free
  const other = ['push', './data', `archive:${scene.place}`, '--json'];
  expect((await scene.cli(other)).code).toBe(0);
  rmSync(scene.there(), { recursive: true });
  await scene.cli(['cancel', asked?.run]);
  await eventually(() => said(scene).length === 2);
  expect(said(scene)).toEqual(['before', 'always 1 cancelled']);
  expect(existsSync(scene.there())).toBe(false);
  // also one that waits for its next attempt
  writeFileSync(join(scene.cwd, 'go'), '');
  scene.writeThere({ 'a/in-the-way': '' });
  const [again] = (await scene.cli(['enqueue', 'job', '--json'])).events;
  const stateOf = async () => {
    const { events } = await scene.cli(['runs', '--json']);
    return events.find(({ run }) => run === again?.run)?.state;
  };
  await eventually(async () => (await stateOf()) === 'delayed');
  await scene.cli(['cancel', again?.run]);
  await eventually(() => said(scene).length === 4);
  expect(said(scene).slice(2)).toEqual(['before', 'always 2 cancelled']);
  await eventually(async () => (await stateOf()) === 'ended');
  await daemon.stop();
}, 90_000);
