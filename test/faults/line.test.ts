/** Rows 1, 5 and 6 of docs/faults.md: what a bad line does to a run. */
import { describe, expect } from 'vitest';
import { test as base, forFile } from '../kit/base.js';
import { lookOn } from '../kit/files/onlooker.js';
import { random, randomBytes, readTree, sameTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import { type Proxy as Line, type LineRules, startProxy } from '../kit/servers/proxy.js';
import type { Sshd } from '../kit/servers/sshd.js';

const test = base.extend('proxy', forFile, async ({ sshd }, { onCleanup }) => {
  const proxy = await startProxy(sshd.port);
  onCleanup(() => proxy.stop());
  return proxy;
});
test.afterEach(({ proxy }) => {
  proxy.rules = () => ({});
});

/** Rules for the connections still to come, counted from 0. */
function line(proxy: Line, rules: (index: number) => LineRules): void {
  const first = proxy.connections();
  proxy.rules = (index) => rules(index - first);
}

/** Through the proxy; the host key is pinned, since known_hosts names the server's own port. */
const remote = (sshd: Sshd, proxy: Line) => ({
  port: proxy.port,
  hostKey: sshd.hostKeyFingerprint,
  replyTimeout: '5s',
});

const small = Object.fromEntries(
  Array.from({ length: 40 }, (_, i) => [`d${i % 3}/f${i}`, randomBytes(200 + i * 500, i + 1)]),
);
const big = randomBytes(10 * 1024 * 1024, 99);
const bytes = { ...small, big };
const old = { 'd0/f0': 'old', big: 'old big', 'd1/gone': 'gone' };
/** What each file may hold: nothing or the old bytes, then the new ones. */
const whole = Object.fromEntries(
  Object.entries(bytes).map(([path, content]) => [
    path,
    [content, (old as Record<string, string>)[path]],
  ]),
);

async function prepare(sshd: Sshd, scene: Scene, proxy: Line, way: 'up' | 'down') {
  if (way === 'up') {
    scene.writeHere(bytes);
    scene.writeThere(old);
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' } }, remote(sshd, proxy));
    return { source: scene.here(), target: scene.there() };
  }
  scene.writeThere(bytes);
  scene.writeHere(old);
  scene.mirrored({ label: './data', folder: scene.here() });
  const rules = { from: `archive:${scene.place}`, to: './data', delete: { max: '100%' } };
  await scene.jobs(rules, remote(sshd, proxy));
  return { source: scene.there(), target: scene.here() };
}

const leftovers = (folder: string) =>
  Object.keys(readTree(folder)).filter((path) => path.endsWith('.ferrypart'));

describe('row 1: the connection is cut at a random byte', () => {
  test.for([
    ['up', 1],
    ['up', 2],
    ['up', 3],
    ['down', 4],
    ['down', 5],
    ['down', 6],
  ] as const)('%s, seed %d', async ([way, seed], { sshd, scene, proxy }) => {
    const { source, target } = await prepare(sshd, scene, proxy, way);
    const next = random(seed);
    // the first login is left alone: the next test is about that
    const cut = () => 4_000 + Math.floor(next() * 10_900_000);
    const cuts = [cut(), cut(), cut()].sort((a, b) => a - b);
    line(proxy, (index) => {
      const at = cuts[index];
      return at === undefined ? {} : way === 'up' ? { cutUp: at } : { cutDown: at };
    });
    const eye = lookOn(target, whole);
    const first = await scene.run();
    expect(first.code, first.stderr).toBe(0);
    expect(first.report.sessions).toBeGreaterThan(1);
    expect((await eye.stop()).wrong).toEqual([]);
    expect(sameTree(source, target)).toBe(true);
    expect(leftovers(target)).toEqual([]);
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, deleted: 0 });
  });

  test('before the login is over, twice: 4, nothing changed', async ({ sshd, scene, proxy }) => {
    const { target } = await prepare(sshd, scene, proxy, 'up');
    line(proxy, () => ({ cutDown: 600 }));
    const { code, report } = await scene.run();
    expect({ code, kind: report.error.kind }).toEqual({ code: 4, kind: 'network' });
    expect(readTree(target)).toEqual(old);
  });

  test.for(['up', 'down'] as const)(
    'again and again, %s: 4, nothing deleted, and the next run converges',
    async (way, { sshd, scene, proxy }) => {
      const { source, target } = await prepare(sshd, scene, proxy, way);
      line(proxy, () => (way === 'up' ? { cutUp: 900_000 } : { cutDown: 900_000 }));
      const eye = lookOn(target, whole);
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(4);
      expect(report).toMatchObject({ outcome: 'failed', files: { deleted: 0 } });
      expect(report.error).toMatchObject({ kind: 'network', hint: expect.any(String) });
      expect((await eye.stop()).wrong).toEqual([]);
      expect(readTree(target)).toHaveProperty(['d1/gone']);
      proxy.rules = () => ({});
      expect((await scene.run()).code).toBe(0);
      expect(readTree(source)).toEqual(
        Object.fromEntries(
          Object.entries(readTree(target)).filter(([path]) => !path.endsWith('.ferrypart')),
        ),
      );
    },
  );
});

describe('row 5: a slow line', () => {
  test('one-byte segments from the first byte on are no timeout: 0', async ({
    sshd,
    scene,
    proxy,
  }) => {
    scene.writeHere({ a: randomBytes(60_000), b: 'b' });
    await scene.jobs({}, { ...remote(sshd, proxy), replyTimeout: '10s' });
    line(proxy, () => ({ slice: 0 }));
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(report.sessions).toBe(1);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('a long round trip: 0, more channels, one login', async ({ sshd, scene, proxy }) => {
    scene.writeHere(small);
    await scene.jobs({}, remote(sshd, proxy));
    line(proxy, () => ({ delay: 60 }));
    const before = sshd.logins();
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect([report.sessions, sshd.logins() - before]).toEqual([1, 1]);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });
});

describe('row 6: a flipped bit', () => {
  test.for([
    ['up', 20_000],
    ['up', 5_000_000],
    ['down', 20_000],
    ['down', 5_000_000],
  ] as const)(
    '%s, at byte %d: found by the MAC, retried, never stored',
    async ([way, at], { sshd, scene, proxy }) => {
      const { source, target } = await prepare(sshd, scene, proxy, way);
      line(proxy, (index) => (index > 0 ? {} : way === 'up' ? { flipUp: at } : { flipDown: at }));
      const eye = lookOn(target, whole);
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report.sessions).toBe(2);
      expect((await eye.stop()).wrong).toEqual([]);
      expect(sameTree(source, target)).toBe(true);
    },
  );
});
