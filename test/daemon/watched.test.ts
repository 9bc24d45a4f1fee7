/** What the watch of a running daemon makes of what people, editors and other jobs do to its folder. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { type Daemon, eventually, startDaemon } from '../kit/daemons/daemon.js';
import { readTree } from '../kit/files/tree.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import type { Redis } from '../kit/servers/redis.js';

let daemon: Daemon;
test.beforeEach(async ({ redis, scene }) => {
  await redis.command('FLUSHALL');
  mkdirSync(scene.here());
});
afterEach(async () => {
  expect(await daemon.stop()).toBe(0);
});

const watched = { watch: { rescan: '1h' }, settle: '200ms' };

/** Starts the daemon and waits until its first look at the whole tree has ended. */
async function started(redis: Redis, scene: Scene, job: object = {}): Promise<void> {
  await scene.jobs({ operation: 'push', ...watched, ...job });
  daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.url } });
  await eventually(async () => (await ended(scene)).some(({ trigger }) => trigger === 'rescan'));
}

async function ended(scene: Scene) {
  const { events } = await scene.cli(['runs', '--idle', '--json', '--limit', '500']);
  return events.filter(({ state }) => state === 'ended').map(({ report }) => report);
}

const there = (scene: Scene, path: string) =>
  existsSync(scene.there(path)) ? readFileSync(scene.there(path), 'utf8') : undefined;
const arrives = (scene: Scene, path: string, text: string) =>
  eventually(() => there(scene, path) === text);

test('saves by rename, folders that are new and deep, and moves', async ({ redis, scene }) => {
  await started(redis, scene);
  for (let n = 0; n < 5; n++) {
    // vim: the old one aside, a new one written; others: a temporary name, then a rename.
    if (existsSync(scene.here('text'))) renameSync(scene.here('text'), scene.here('text~'));
    writeFileSync(scene.here('.text.swp'), `save ${n}`);
    renameSync(scene.here('.text.swp'), scene.here('text'));
    await arrives(scene, 'text', `save ${n}`);
  }
  scene.writeHere({ 'x/y/z/deep': 'in new folders' });
  await arrives(scene, 'x/y/z/deep', 'in new folders');
  mkdirSync(join(scene.cwd, 'elsewhere/inner'), { recursive: true });
  writeFileSync(join(scene.cwd, 'elsewhere/inner/moved'), 'moved in');
  renameSync(join(scene.cwd, 'elsewhere'), scene.here('x/came'));
  await arrives(scene, 'x/came/inner/moved', 'moved in');
  renameSync(scene.here('x/came'), scene.here('x/went'));
  await arrives(scene, 'x/went/inner/moved', 'moved in');
  expect(there(scene, '.text.swp')).toBeUndefined();
}, 60_000);

test('a file rewritten with the same size in the second in which it went up', async ({
  redis,
  scene,
}) => {
  await started(redis, scene, { watch: { rescan: '1h' }, settle: '100ms' });
  const secondOf = (path: string) => Math.floor(statSync(scene.here(path)).mtimeMs / 1000);
  for (let n = 0; ; n++) {
    const path = `f${n}`;
    await eventually(() => Date.now() % 1000 < 50); // so that there is time within the second
    writeFileSync(scene.here(path), 'one');
    const second = secondOf(path);
    await arrives(scene, path, 'one');
    writeFileSync(scene.here(path), 'two');
    if (secondOf(path) !== second) continue;
    await arrives(scene, path, 'two');
    break;
  }
}, 60_000);

test('a file that is written over many times the settle time is sent once, whole', async ({
  redis,
  scene,
}) => {
  await started(redis, scene);
  let text = '';
  for (let n = 0; n < 15; n++) {
    appendFileSync(scene.here('slow'), `line ${n}\n`);
    text += `line ${n}\n`;
    await sleep(100);
    expect(there(scene, 'slow')).toBeUndefined();
  }
  await arrives(scene, 'slow', text);
  await eventually(async () => (await ended(scene)).some(({ trigger }) => trigger === 'watch'));
  expect((await ended(scene)).map(({ files }) => files.copied).reduce((a, b) => a + b)).toBe(1);
}, 60_000);

test('ten thousand files dropped at once', async ({ redis, scene }) => {
  await started(redis, scene);
  for (let d = 0; d < 100; d++) {
    mkdirSync(scene.here(`d${d}`));
    for (let n = 0; n < 100; n++) writeFileSync(scene.here(`d${d}/f${n}`), `${d} ${n}`);
  }
  const count = () =>
    existsSync(scene.there())
      ? readdirSync(scene.there(), { recursive: true, encoding: 'utf8' }).filter((name) =>
          /\/f\d+$/.test(name),
        ).length
      : 0;
  await eventually(async () => (await sleep(250)) ?? count() === 10_000);
  expect(there(scene, 'd99/f99')).toBe('99 99');
}, 120_000);

test('one changed file under twenty thousand costs no look at the others', async ({
  redis,
  scene,
}) => {
  for (let d = 0; d < 200; d++) {
    mkdirSync(scene.here(`d${d}`));
    for (let n = 0; n < 100; n++) writeFileSync(scene.here(`d${d}/f${n}`), '');
  }
  await started(redis, scene);
  writeFileSync(scene.here('d7/f7'), 'changed');
  await arrives(scene, 'd7/f7', 'changed');
  const run = await eventually(async () =>
    (await ended(scene)).find(({ trigger, files }) => trigger === 'watch' && files.copied === 1),
  );
  expect(run.files).toMatchObject({ copied: 1, unchanged: 99 });
}, 120_000);

test('a pull into a watched folder pushes whole files only, and never a temporary one', async ({
  sshd,
  redis,
  scene,
}) => {
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd) },
    jobs: {
      in: { operation: 'pull', from: `archive:${scene.place}/source`, to: './data' },
      out: { operation: 'push', from: './data', to: `archive:${scene.place}/out`, ...watched },
    },
  });
  const files = Object.fromEntries(
    Array.from({ length: 50 }, (_, n) => [`source/f${n}`, 'x'.repeat(100_000)]),
  );
  scene.writeThere(files);
  daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.url } });
  expect((await scene.cli(['enqueue', 'in', '--wait'])).code).toBe(0);
  const names = Object.keys(files).map((name) => name.slice('source/'.length));
  await eventually(() => names.every((name) => existsSync(scene.there(`out/${name}`))));
  await eventually(async () =>
    (await ended(scene)).some(({ job, files: { copied } }) => job === 'out' && copied > 0),
  );
  expect(readdirSync(scene.there('out')).sort()).toEqual(names.sort());
  const log = join(scene.cwd, '.state/transfers.log');
  await eventually(() => existsSync(log));
  expect(readFileSync(log, 'utf8')).not.toContain('ferrypart');
  expect((await ended(scene)).filter(({ files: done }) => done.failed > 0)).toEqual([]);
}, 60_000);

test('a drop folder whose files are archived once they are there', async ({ redis, scene }) => {
  await started(redis, scene, { after: { archive: './sent' } });
  for (let n = 0; n < 20; n++) writeFileSync(scene.here(`order-${n}`), `order ${n}`);
  await eventually(() => readdirSync(scene.here()).length === 0);
  const all = Object.fromEntries(
    Array.from({ length: 20 }, (_, n) => [`order-${n}`, `order ${n}`]),
  );
  expect(readTree(scene.there())).toEqual(readTree(join(scene.cwd, 'sent')));
  expect(readTree(scene.there())).toMatchObject(all);
  rmSync(scene.here(), { recursive: true });
  mkdirSync(scene.here());
  await sleep(100);
  writeFileSync(scene.here('late'), 'after the folder was made anew');
  await eventually(() => there(scene, 'late') === 'after the folder was made anew');
}, 60_000);

test('a folder that is polled, as status says', async ({ redis, scene }) => {
  await started(redis, scene, { watch: { rescan: '1h', poll: '200ms' } });
  const { events } = await scene.cli(['status', '--json']);
  expect(events[0]?.jobs[0]).toMatchObject({ job: 'job', watch: 'polling' });
  scene.writeHere({ 'sub/new': 'one' });
  await arrives(scene, 'sub/new', 'one');
  writeFileSync(scene.here('sub/new'), 'two');
  await arrives(scene, 'sub/new', 'two');
  renameSync(scene.here('sub'), scene.here('moved'));
  await arrives(scene, 'moved/new', 'two');
  expect((await scene.cli(['status'])).stdout).toContain('polling');
});

test('a folder on fuse is polled without being told to', async ({ redis, scene }) => {
  const real = join(scene.cwd, 'real');
  mkdirSync(real);
  execFileSync('bindfs', [real, scene.here()]);
  onTestFinished(() => {
    execFileSync('fusermount', ['-u', '-z', scene.here()]);
  });
  await started(redis, scene);
  expect((await scene.cli(['status'])).stdout).toContain('polling (fuse)');
  writeFileSync(join(real, 'new'), 'one');
  await arrives(scene, 'new', 'one');
});
