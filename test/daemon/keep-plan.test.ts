/** The plan that is kept beside a run's log: its first actions of each kind, of the last attempt. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { planKeeper } from '../../src/daemon/keep-plan.js';
import { planFile } from '../../src/state/layout.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { planTrees, setting, treeOf } from '../kit/planning.js';

const run = '20261124T020000Z-aaaaaaaa';
const planOf = (source: Record<string, string>, destination: Record<string, string> = {}) =>
  planTrees(treeOf(source), treeOf(destination), setting({ operation: 'mirror' }));

async function keeping() {
  const state = await temporaryFolder();
  const errors: Error[] = [];
  const options = {
    state,
    redact: (text: string) => text.replaceAll('hunter2', '***'),
    onError: (error: Error) => void errors.push(error),
  };
  const lines = () =>
    readFileSync(planFile(state, run), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  return { state, errors, lines, keep: (attempt: number) => planKeeper(run, attempt, options) };
}

test('its numbers, then each action with its path; secrets are removed, and only its owner reads it', async () => {
  const { state, lines, keep, errors } = await keeping();
  await keep(1)(planOf({ 'hunter2/a': '5 @1' }, { old: '3 @1' }), undefined);
  const time = expect.any(String);
  expect(lines()).toMatchObject([
    { event: 'plan', time, mkdirs: 1, copies: 1, deletes: 1, bytes: 5 },
    { event: 'action', action: 'mkdir', path: '***', time },
    { event: 'action', action: 'copy', path: '***/a', bytes: 5, reason: 'new' },
    { event: 'action', action: 'delete', path: 'old', kind: 'file' },
  ]);
  expect(statSync(planFile(state, run)).mode & 0o777).toBe(0o600);
  expect(errors).toEqual([]);
});

test('of each kind 10,000 are kept, and how many more there were', async () => {
  const { lines, keep } = await keeping();
  const many = Object.fromEntries(Array.from({ length: 10_003 }, (_, n) => [`f${n}`, '1 @1']));
  await keep(1)(planOf(many, { old: '3 @1' }), undefined);
  const kept = lines();
  expect(kept.filter(({ action, event }) => event === 'action' && action === 'copy').length).toBe(
    10_000,
  );
  expect(kept.filter(({ action }) => action === 'delete')).toMatchObject([{ path: 'old' }]);
  expect(kept.at(-1)).toMatchObject({ event: 'omitted', action: 'copy', count: 3 });
});

test('several targets have one each; another attempt replaces them, and one without work leaves none', async () => {
  const { state, lines, keep, errors } = await keeping();
  const first = keep(1);
  const plans = ['a', 'b'].map((name) => planOf({ [name]: '1 @1' }));
  await Promise.all(plans.map((plan, at) => first(plan, `web${at}:www`)));
  expect(lines().map(({ event, target }) => [event, target])).toEqual([
    ...[0, 1].flatMap((at) => ['plan', 'action'].map((event) => [event, `web${at}:www`])),
  ]);
  await keep(2)(planOf({ c: '1 @1' }), undefined);
  expect(lines()).toMatchObject([{ event: 'plan' }, { path: 'c' }]);
  await keep(3)(planOf({ same: '1 @1' }, { same: '1 @1' }), undefined);
  expect(existsSync(planFile(state, run))).toBe(false);
  expect(errors).toEqual([]);
});

test('where it can’t be kept, the run goes on', async () => {
  const { state, keep, errors } = await keeping();
  writeFileSync(join(state, 'plans'), 'a file');
  await keep(1)(planOf({ a: '1 @1' }), undefined);
  expect(errors).toHaveLength(1);
});
