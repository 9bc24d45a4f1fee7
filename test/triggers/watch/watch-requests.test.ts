/** What a watch requests again after a run that left something undone. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { WatchRequests } from '../../../src/triggers/watch/watch-requests.js';
import { reportOf } from '../../kit/daemons/controls.js';

/** The folders of the first request and of the one that follows on a run in which `paths` failed. */
async function askedFor(folders: readonly string[], paths: readonly string[]) {
  const asked: (readonly string[] | undefined)[] = [];
  const requests = new WatchRequests({
    retry: { backoff: 1, maxBackoff: 1 },
    async request(some) {
      asked.push(some);
      return { run: `${asked.length}`, joined: false };
    },
    async endOf(run) {
      if (run !== '1') return undefined;
      const failures = paths.map((path) => ({ path, kind: 'io' as const, message: 'no' }));
      return reportOf(run, { outcome: 'incomplete', exitCode: 3, failures });
    },
    isPaused: () => false,
    onError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => requests.stop());
  requests.settled(folders);
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  return asked;
}

test('the folders of the failed paths are requested again, and no others', async () => {
  const [, again] = await askedFor(['a', 'b', 'c'], ['b/x', 'b/y', 'c/z']);
  expect(again).toEqual(['b', 'c']);
});

test('all folders are requested again when a path is unknown, since a secret was removed from it', async () => {
  const [first, again] = await askedFor(['a', 'b-pa55word'], ['b-[secret]/x']);
  expect(again).toEqual(first);
});
