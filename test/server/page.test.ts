/** The page in a real Chromium, against a real daemon. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import { test as base, forFile } from '../kit/base.js';
import { faultsIn, startBrowser } from '../kit/browser.js';
import { hostOf, operateToken, viewToken } from '../kit/daemons/api.js';
import { startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { type Daemon, eventually, startDaemon } from '../kit/daemons/daemon.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';

// a browser on a busy machine takes its time
vi.setConfig({ testTimeout: 120_000 });

const script = '<img src=x onerror=window.pwned=1><script>window.pwned=1</script>';
const scriptFile = '<img src=x onerror=window.pwned=1>';

/** All tests of the file share these: a daemon with some jobs, and a browser. */
interface Stage {
  readonly scene: Scene;
  readonly env: Readonly<Record<string, string>>;
  daemon: Daemon;
  readonly host: string;
  readonly browser: Browser;
  /** Logged in with the role `operate`. */
  readonly page: Page;
  /** Requests of the page to other places than the daemon, and errors of its own. */
  readonly strange: string[];
}

const test = base.extend(
  'stage',
  forFile,
  async ({ sshd, redis }, { onCleanup }): Promise<Stage> => {
    const scene = await openScene(sshd);
    const { place } = scene;
    const port = await freePort();
    scene.writeHere({ 'a.txt': 'a', 'b/c.txt': 'c', [scriptFile]: 'x' });
    // a folder has the name of the file
    scene.writeThere({ 'blocked/x': '' });
    scene.writeThere({ [`blocked/${scriptFile}/x`]: '' });
    mkdirSync(join(scene.cwd, 'large'));
    writeFileSync(join(scene.cwd, 'large/large.bin'), Buffer.alloc(4 << 20));
    await writeJobs(scene.cwd, {
      remotes: {
        archive: remoteIn(sshd),
        slow: remoteIn(sshd, { bandwidth: '64KiB/s' }),
      },
      jobs: {
        nightly: {
          description: script,
          operation: 'mirror',
          from: './data',
          to: `archive:${place}/nightly`,
          schedule: '0 2 * * *',
          timezone: 'America/New_York',
        },
        blocked: {
          ...{ operation: 'push', from: './data', to: `archive:${place}/blocked` },
          retry: { attempts: 1 },
        },
        job: { operation: 'mirror', from: './data', to: `archive:${place}/refused`, delete: 0 },
        large: { operation: 'push', from: './large', to: `slow:${place}/large` },
        ...Object.fromEntries(
          Array.from({ length: 300 }, (_, i) => [
            `job-${String(i).padStart(3, '0')}`,
            { operation: 'push', from: './data', to: `archive:${place}/many-${i}` },
          ]),
        ),
      },
      // nobody listens there
      notify: { ops: { webhook: 'http://127.0.0.1:9/', group: '0s' } },
      api: {
        listen: `127.0.0.1:${port}`,
        tokens: {
          wall: { role: 'view', token: viewToken },
          ops: { role: 'operate', token: operateToken },
        },
      },
    });
    const env = { FERRYLINE_QUEUE: redis.database() };
    const daemon = await startDaemon(scene, { env });
    const host = await hostOf(daemon);
    const browser = await startBrowser();
    const strange: string[] = [];
    const context = await browser.newContext();
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    const stage: Stage = { scene, env, daemon, host, browser, page, strange };
    onCleanup(async () => {
      await browser.close();
      await stage.daemon.stop();
    });
    stage.page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`http://${host}/`) && !/^(?:blob|file):/.test(url)) strange.push(url);
    });
    stage.page.on('pageerror', (error) => strange.push(String(error)));
    stage.page.on('console', (message) => {
      if (/Content Security Policy|TrustedHTML/.test(message.text())) strange.push(message.text());
    });
    return stage;
  },
);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

const see = (page: Page, name: string | RegExp) => page.getByText(name).first().waitFor();
const go = async ({ page, host }: Stage, hash: string) => {
  await page.goto(`http://${host}/${hash}`);
  await page.locator('main h1').waitFor();
};

test('opens by a code that works once, which no argument, history or second use shows', async ({
  stage,
}) => {
  const { scene, page, host } = stage;
  const bin = join(scene.cwd, 'bin');
  mkdirSync(bin);
  const [copy, seen] = [join(scene.cwd, 'opened.html'), join(scene.cwd, 'arguments')];
  const opener = `#!/bin/sh\necho "$@" > ${seen}\ncp "$1" ${copy}.new\nmv ${copy}.new ${copy}\n`;
  writeFileSync(join(bin, 'xdg-open'), opener, { mode: 0o755 });
  const command = startFerryline(['open'], {
    cwd: scene.cwd,
    env: { DISPLAY: ':0', PATH: `${bin}:${process.env.PATH}` },
  });
  await eventually(() => existsSync(copy));
  await page.goto(`file://${copy}`);
  await see(page, 'Wrong now');
  expect(page.url()).toBe(`http://${host}/`);
  const { code, stderr } = await command.ended;
  expect([code, stderr]).toEqual([0, expect.stringContaining('the page is open')]);
  const [, address = '', secret = ''] =
    /url=(http[^"]*#code=([\w-]{43}))/.exec(readFileSync(copy, 'utf8')) ?? [];
  expect(readFileSync(seen, 'utf8')).not.toContain(secret);
  expect(existsSync(join(scene.cwd, '.state/open.html'))).toBe(false);
  // a browser of somebody else who has found it
  const other = await stage.browser.newPage();
  await other.goto(address);
  await see(other, /was used already/);
  await other.close();
  expect((await scene.cli(['open', '--print'])).stdout).toMatch(
    /^http:\/\/127\.0\.0\.1:\d+\/#code=[\w-]{43}\n$/,
  );
});

test('a pasted token that only reads: actions are there, disabled, and say why', async ({
  stage,
}) => {
  const page = await stage.browser.newPage();
  await page.goto(`http://${stage.host}/#/job/nightly`);
  await page.getByLabel('Or paste a token').fill('wrong-token-0123456789');
  await page.keyboard.press('Enter');
  await see(page, /not one of api.tokens/);
  await page.getByLabel('Or paste a token').fill(viewToken);
  await page.keyboard.press('Enter');
  const run = page.getByRole('button', { name: 'Run nightly', exact: true });
  await run.waitFor();
  expect(await run.getAttribute('aria-disabled')).toBe('true');
  await run.click({ force: true });
  await see(page, /the token wall has the role view, which only reads/);
  expect(await page.getByText('no run yet').count()).toBe(0);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Or paste a token').waitFor();
  await page.close();
});

test('a cookie that reached another port of this host opens nothing, nor does the key alone', async ({
  stage,
}) => {
  const { page, host } = stage;
  const got: IncomingHttpHeaders[] = [];
  const thief = createServer((request, response) => {
    got.push(request.headers);
    response.setHeader('content-type', 'text/html');
    response.end('<title>other</title>');
  });
  await new Promise<void>((done) => thief.listen(0, '127.0.0.1', done));
  const { port } = thief.address() as AddressInfo;
  const other = await page.context().newPage();
  await other.goto(`http://127.0.0.1:${port}/`);
  const stolen = got[0]?.cookie ?? '';
  expect(stolen).toMatch(/ferryline-[0-9a-f]{8}=/);
  expect(await other.evaluate('localStorage.length')).toBe(0);
  await other.close();
  thief.close();
  const key = await page.evaluate<string>(`localStorage.getItem('ferryline-key /') ?? ''`);
  expect(key).toMatch(/^[\w-]{43}$/);
  const ask = async (headers: Record<string, string>) =>
    (await fetch(`http://${host}/api/v1/now`, { headers })).status;
  expect(await ask({ cookie: stolen })).toBe(401);
  expect(await ask({ 'x-ferryline-key': key })).toBe(401);
  expect(await ask({ cookie: stolen, 'x-ferryline-key': key })).toBe(200);
});

test('every action, by mouse and by keyboard alone', async ({ stage }) => {
  const { page } = stage;
  await go(stage, '#/job/nightly');
  // by mouse: run, and the page goes to it
  await page.getByRole('button', { name: 'Run nightly', exact: true }).click();
  await page.waitForURL(/#\/run\//);
  await see(page, 'succeeded');
  // by keyboard: run again
  await page.getByRole('button', { name: 'Rerun nightly' }).focus();
  const before = page.url();
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.href !== before);
  await see(page, 'succeeded');
  // pause with a reason that is a script, by keyboard; resume by mouse
  await go(stage, '#/job/nightly');
  await page.getByLabel('reason').fill(script);
  await page.getByRole('button', { name: 'Pause nightly' }).focus();
  await page.keyboard.press('Space');
  await see(page, /paused since .* by cli until .*<script>/);
  expect(
    await page
      .getByRole('button', { name: 'Run nightly', exact: true })
      .getAttribute('aria-disabled'),
  ).toBe('true');
  await page.getByRole('button', { name: 'Resume nightly' }).click();
  await page.getByRole('button', { name: 'Pause nightly' }).waitFor();
  // a run that is cancelled in its middle, by keyboard
  await go(stage, '#/job/large');
  await page.getByRole('button', { name: 'Run large', exact: true }).click();
  await page.waitForURL(/#\/run\//);
  await page.getByRole('progressbar').first().waitFor();
  await page.getByRole('button', { name: /^Cancel/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Yes, cancel' }).waitFor();
  await page.keyboard.press('Enter');
  await see(page, 'cancelled');
});

test('scripts in file names, descriptions and messages stay text', async ({ stage }) => {
  const { page } = stage;
  await go(stage, '#/job/blocked');
  await page.getByRole('button', { name: 'Run blocked', exact: true }).click();
  await page.waitForURL(/#\/run\//);
  await see(page, 'incomplete');
  await page.getByRole('button', { name: /^failures/ }).click();
  await see(page, scriptFile);
  await page.getByRole('button', { name: 'log', exact: true }).click();
  await see(page, /fail <img/);
  await page.getByRole('button', { name: 'plan', exact: true }).click();
  await see(page, /<img src=x/);
  await go(stage, '#/job/nightly');
  await see(page, script);
  expect(await page.evaluate('window.pwned')).toBeUndefined();
});

test('long lists draw what is seen, say how many there are, and `/` searches all of them', async ({
  stage,
}) => {
  const { page } = stage;
  await go(stage, '#/jobs');
  const table = page.getByRole('table', { name: 'Jobs' });
  await table.waitFor();
  expect(await table.getAttribute('aria-rowcount')).toBe('305');
  expect(await table.getByRole('row').count()).toBeLessThan(80);
  expect(await page.getByText('job-299').count()).toBe(0);
  await page.keyboard.press('/');
  await page.keyboard.type('job-299');
  await see(page, 'job-299');
  await see(page, '1 of 304 jobs');
  expect(page.url()).toContain('#/jobs?q=job-299');
});

test('an incident: what, since when, its steps and messages; a refused plan is approved by its deletions', async ({
  stage,
}) => {
  const { page, scene } = stage;
  await go(stage, '#/now');
  await page.getByRole('button', { name: 'Acknowledge blocked' }).click();
  await see(page, /acknowledged by cli/);
  await page.getByRole('link', { name: 'steps' }).click();
  await see(page, /acknowledged by cli/);
  await see(page, /opened/);
  await go(stage, '#/incidents?state=open');
  await see(page, /acknowledged by cli/);
  await go(stage, '#/messages');
  await see(page, /1 failed attempts/);

  scene.writeThere({ 'refused/gone': '' });
  scene.mirrored({ label: `archive:${scene.place}/refused`, folder: scene.there('refused') });
  await go(stage, '#/job/job');
  await page.getByRole('button', { name: 'Dry run job' }).click();
  await page.waitForURL(/#\/run\//);
  await see(page, 'refused');
  await go(stage, '#/job/job');
  await page.getByRole('button', { name: 'Run job', exact: true }).click();
  await page.waitForURL(/#\/run\//);
  await see(page, 'refused');
  const approve = page.getByRole('button', { name: 'Approve job' });
  expect(await approve.getAttribute('aria-disabled')).toBe('true');
  const deletions = page.getByLabel('files that its plan deletes');
  await deletions.fill('2');
  await approve.click();
  await page.getByRole('alert').waitFor();
  await deletions.fill('1');
  const before = page.url();
  await approve.click();
  await page.waitForURL((url) => url.href !== before);
  await see(page, 'succeeded');
  expect(existsSync(scene.there('refused/gone'))).toBe(false);
});

const views = [
  ...['now', 'runs', 'jobs', 'schedule', 'slots', 'remotes', 'workers', 'audit'],
  ...['incidents', 'messages', 'job/nightly', 'job/blocked', 'remote/archive'],
];

test('axe finds nothing in any view, light and dark; 360 px and 200 % need no sideways scrolling', async ({
  stage,
}) => {
  const { page } = stage;
  const shots = process.env.FERRYLINE_TEST_SHOTS;
  await go(stage, '#/job/blocked');
  const run = (await page.locator('a[href^="#/run/"]').first().getAttribute('href')) ?? '';
  for (const view of [
    ...views,
    run.slice(2),
    `${run.slice(2)}?part=log`,
    `${run.slice(2)}?part=plan`,
  ])
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 1280, height: 800 });
      await go(stage, `#/${view}`);
      await page.getByText('asking …').first().waitFor({ state: 'detached' });
      const name = view.replace(/\W+/g, '-').slice(0, 40);
      if (shots) await page.screenshot({ path: join(shots, `${name}-${colorScheme}.png`) });
      expect(await faultsIn(page), `${view} ${colorScheme}`).toEqual([]);
      if (colorScheme === 'dark') continue;
      // 200 % of 1280 px is 640 px
      for (const width of [640, 360]) {
        await page.setViewportSize({ width, height: 800 });
        const [has = 0, sees = 0] = await page.evaluate<number[]>(
          '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
        );
        if (shots) await page.screenshot({ path: join(shots, `${name}-${width}.png`) });
        expect(has, `${view} at ${width}`).toBeLessThanOrEqual(sees);
      }
    }
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('a daemon that restarts: says since when it is not live, and goes on with the same session', async ({
  stage,
}) => {
  const { page, scene } = stage;
  await go(stage, '#/now');
  await see(page, 'live ●');
  await stage.daemon.stop();
  await see(page, /not connected since \d\d:\d\d/);
  stage.daemon = await startDaemon(scene, { env: stage.env });
  await see(page, 'live ●');
  await see(page, 'Wrong now');
});

test('ten tabs are all live, and show what another has done', async ({ stage }) => {
  const { page, host } = stage;
  const tabs = await Promise.all(Array.from({ length: 10 }, () => page.context().newPage()));
  for (const tab of tabs) {
    await tab.goto(`http://${host}/#/job/nightly`);
    await see(tab, 'live ●');
  }
  await tabs[0]?.getByRole('button', { name: 'Pause nightly' }).click();
  for (const tab of tabs) await see(tab, /paused since/);
  // the tab that has the stream is closed, and another goes on
  await tabs.shift()?.close();
  await tabs[0]?.getByRole('button', { name: 'Resume nightly' }).click();
  for (const tab of tabs) await tab.getByRole('button', { name: 'Pause nightly' }).waitFor();
  for (const tab of tabs) await tab.close();
  expect(stage.strange).toEqual([]);
});
