/** A state folder remembers the queue it was used with: which one it was, and where. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { openPermitStore } from '../../src/queue/job-permit.js';
import { queueInstallationFile } from '../../src/state/layout.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import type { Postgres } from '../kit/servers/postgres.js';
import type { Redis } from '../kit/servers/redis.js';
import { emptyStore, type SharedStore, sharedStores, storeForTest } from '../kit/servers/stores.js';

/** The URLs of two stores on one server, with a password that nothing may keep. */
async function twoOn(store: SharedStore): Promise<readonly [string, string]> {
  if ('database' in store) {
    const url = (store as Redis).database().replace('//', '//default:canary@');
    return [url.replace(/[^/]+$/, '9'), url];
  }
  await (store as Postgres).query('CREATE DATABASE other');
  const url = store.url.replace('ferry@', 'ferry:canary@');
  return [url.replace(/[^/]+$/, 'other'), url];
}

/** Takes and gives back the permit of a job as `ferryline run` does; resolves to the warning for which it would have waited. */
async function warningAt(url: string, state: string): Promise<string | undefined> {
  const waiting = new AbortController();
  let warning: string | undefined;
  const permits = await openPermitStore({
    url,
    name: 'ferryline',
    state,
    onWanted: () => {},
    onWarning(message) {
      warning = message;
      waiting.abort();
    },
  });
  const permit = await permits.takeJob('job', undefined, waiting.signal).catch(() => undefined);
  await permit?.release();
  await permits.close();
  return warning;
}

describe.each(sharedStores)('a queue in %s', (_, startStore) => {
  let state: string;
  beforeEach(async () => {
    state = await temporaryFolder();
  });
  const wasEmptied = expect.stringContaining('the queue was emptied');

  test('one at another address is a new one; the same one without what was in it was emptied', async () => {
    const store = await storeForTest(startStore);
    const [first, second] = await twoOn(store);
    expect(await warningAt(first, state)).toBeUndefined();
    expect(await warningAt(second, state)).toBeUndefined();
    expect(readFileSync(queueInstallationFile(state), 'utf8')).not.toContain('canary');
    await emptyStore(store);
    expect(await warningAt(second, state)).toEqual(wasEmptied);
  });

  test('one that a state folder of an earlier version knows otherwise was emptied', async () => {
    const { url } = await storeForTest(startStore);
    writeFileSync(queueInstallationFile(state), 'another-id\n');
    expect(await warningAt(url, state)).toEqual(wasEmptied);
  });
});
