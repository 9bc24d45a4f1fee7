/** What a daemon and runs leave in the state folder is all named in state/layout.ts, and thus in docs/running.md. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { stateEntries } from '../../src/state/layout.js';
import { hostileTest as test } from '../kit/base.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { refusesAttributes } from '../kit/servers/hostile-replies.js';

/** A word in capitals is any name; a path that ends in `/` includes all below it. */
const entries = stateEntries.map(({ path }) => {
  const pattern = path.replaceAll('.', '\\.').replaceAll(/\b[A-Z]+(?:_[A-Z]+)*\b/g, '[^/]+');
  return { path, pattern: new RegExp(`^${pattern}${path.endsWith('/') ? '.*' : ''}$`) };
});

test('every file in it is an entry of the layout, and there is one of each but what accidents leave', async ({
  scene,
  hostile,
}) => {
  // A server with quirks to remember.
  hostile.behave = refusesAttributes;
  const state = join(scene.cwd, '.state');
  await scene.jobs({
    ...{ schedule: '* * * * * *', watch: { rescan: '1h' }, settle: '50ms' },
    renames: 'follow',
  });
  scene.writeHere({ a: 'one', 'deep/b': 'two' });
  // another writer's
  scene.writeThere({ '.a.0123456789abcdef01234567.tp9cnm-abcdefgh.ferrypart': 'o' });
  let daemon = await startDaemon(scene);
  await eventually(() => existsSync(join(state, 'slots.json')));
  expect((await scene.cli(['enqueue', 'job', '--wait'])).code).toBe(0);
  expect((await scene.cli(['pause', 'job'])).code).toBe(0);
  expect(existsSync(join(state, 'control.sock'))).toBe(true);
  await daemon.kill9();
  writeFileSync(join(state, 'paused.json'), 'damaged');
  daemon = await startDaemon(scene);
  // copied within the second of its mtime: in doubt
  scene.writeHere({ c: 'three' }, { mtime: Math.floor(Date.now() / 1000) + 60.25 });
  // 8 while the daemon runs the job
  await eventually(async () => (await scene.cli(['run', 'job'])).code === 0);
  expect((await scene.cli(['push', 'data', `archive:${scene.place}/ad-hoc`])).code).toBe(0);
  await daemon.kill9();

  const files = readdirSync(state, { recursive: true, encoding: 'utf8' }).filter(
    (path) => !statSync(join(state, path)).isDirectory(),
  );
  expect(files.filter((path) => !entries.some(({ pattern }) => pattern.test(path)))).toEqual([]);
  const unseen = entries.filter(({ pattern }) => !files.some((path) => pattern.test(path)));
  // The first is there only if a process was killed while it wrote a file, the second with Redis or
  // Postgres, the third while a job with hooks runs, the next three with the HTTP API and its page, the
  // others once three files have shown the same of a server or of this machine. One more comes with 10 MiB of lines.
  const accidental = [
    '.NAME.new',
    'queue-installation',
    'hooks/JOB/RUN.ndjson',
    'requests.json',
    'sessions.json',
    'open.html',
    'servers/HOST_PORT_USER.json',
    'servers/here.json',
    'servers/HOST_PORT_USER.quirks.json',
  ];
  expect(unseen.map(({ path }) => path).filter((path) => !accidental.includes(path))).toEqual([
    'transfers.log.N',
    'audit.log.N',
  ]);
}, 120_000);
