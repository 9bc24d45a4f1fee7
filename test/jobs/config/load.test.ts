import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Job } from '../../../src/core/job.js';
import { adHocJob } from '../../../src/jobs/config/ad-hoc-job.js';
import { context, jobOf, load, problems, withJob, withRemote } from '../../kit/loading.js';

describe('the jobs.yml at the top', () => {
  const text = readFileSync(new URL('../../../jobs.yml', import.meta.url), 'utf8');

  it('loads with no variable set, has at most 40 lines and shows the three uses', () => {
    const config = load(text, { env: {} });
    expect(config.warnings).toEqual([]);
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
    const jobs = [...config.jobs.values()];
    expect(jobs.map((job) => job.operation)).toEqual(['mirror', 'push', 'mirror']);
    expect(jobs[0]?.starts.schedule).toEqual(['0 2 * * *']);
    expect(jobs[1]?.starts.watch).toEqual({ rescan: 900_000, poll: undefined });
    expect(jobs[2]?.compare).toBe('checksum');
  });
});

describe('defaults', () => {
  it('are filled in for a remote that names only its host', () => {
    const config = load('remotes: { d: { host: h } }', { agent: '/run/agent' });
    expect(config.queue).toBe('embedded');
    expect(config.remotes.get('d')).toEqual({
      name: 'd',
      host: 'h',
      port: 22,
      username: 'me',
      auth: {
        keys: ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((key) => `/home/u/.ssh/${key}`),
        keysOptional: true,
        agent: '/run/agent',
      },
      hostKey: [],
      knownHosts: [
        '/home/u/.ssh/known_hosts',
        '/home/u/.ssh/known_hosts2',
        '/etc/ssh/ssh_known_hosts',
      ],
      root: undefined,
      maxSessions: 2,
      maxFiles: 0,
      bandwidth: undefined,
      replyTimeout: 30_000,
      stallTimeout: 60_000,
      algorithms: {},
      jump: undefined,
    });
  });

  it('are filled in for a job that names only its sides', () => {
    const { from, to, ...rest } = jobOf(withJob(''));
    expect([from.path, from.label, from.remote]).toEqual(['/etc/ferry/a', './a', undefined]);
    expect([to.path, to.label, to.remote?.name]).toEqual(['b', 'd:b', 'd']);
    expect(rest).toEqual({
      name: 'x',
      operation: 'push',
      scope: {
        include: [],
        exclude: [],
        ignoreFile: undefined,
        minSize: undefined,
        maxSize: undefined,
        minAge: undefined,
        maxAge: undefined,
      },
      compare: 'auto',
      existing: 'overwrite',
      description: undefined,
      renames: false,
      live: [],
      delete: {
        enabled: true,
        max: undefined,
        require: undefined,
        allowEmptySource: false,
      },
      trash: undefined,
      replace: undefined,
      settle: 0,
      window: undefined,
      symlinks: 'skip',
      modes: 'source',
      verify: 'size',
      fsync: false,
      after: { kind: 'keep' },
      bandwidth: undefined,
      timeout: undefined,
      history: { count: 500 },
      starts: {
        schedule: [],
        timezone: undefined,
        catchUp: { slots: 'latest', within: undefined },
        watch: undefined,
        worker: undefined,
        retry: { attempts: 5, backoff: 10_000, maxBackoff: 600_000 },
      },
      incidents: { notify: undefined, stale: undefined, slow: undefined },
    });
  });

  it('of the file go under every remote; false takes one away', () => {
    const { remotes } = load(
      'defaults: { remotes: { port: 23, bandwidth: 1MiB/s, auth: ~/.ssh/k } }\nremotes: { a: { host: h }, b: { host: h, port: false, bandwidth: false, auth: { password: x } } }',
    );
    expect(remotes.get('a')).toMatchObject({ port: 23, bandwidth: { rate: 1_048_576 } });
    expect(remotes.get('a')?.auth.keys).toEqual(['/home/u/.ssh/k']);
    expect(remotes.get('b')).toMatchObject({ port: 22, bandwidth: undefined });
    expect(remotes.get('b')?.auth).toMatchObject({ keys: [], password: 'x' });
  });

  it.each<[string, string, (job: Job) => unknown, unknown]>([
    ['trash: true', 'trash: false', (job) => job.trash, undefined],
    ['trash: { dir: x }', 'trash: { keep: 7d }', (job) => job.trash?.dir, 'x'],
    ['delete: { require: m }', 'delete: 20%', (job) => job.delete.require, 'm'],
    ['delete: 20%', 'delete: false', (job) => job.delete.enabled, false],
    ['exclude: [a]', 'exclude: false', (job) => job.scope.exclude, []],
    ['timeout: 2h', 'timeout: false', (job) => job.timeout, undefined],
    ['compare: size', 'compare: false', (job) => job.compare, 'auto'],
    ['catchUp: all', 'catchUp: { within: 1h }', (job) => job.starts.catchUp.slots, 'all'],
    ['catchUp: all', 'catchUp: false', (job) => job.starts.catchUp.slots, 'none'],
    [
      'bandwidth: { windows: [{ hours: Sat, rate: 1MiB/s }] }',
      'bandwidth: 2MiB/s',
      (job) => job.bandwidth?.windows,
      [],
    ],
  ])('%s, and a job with %s', (under, own, of, expected) => {
    expect(of(jobOf(`defaults: { jobs: { ${under} } }\n${withJob(own)}`))).toEqual(expected);
  });

  it('of the file go under every job: maps merge, lists replace', () => {
    const job = jobOf(
      `defaults: { jobs: { exclude: [a, b], retry: { attempts: 9, backoff: 1s }, verify: checksum } }\n${withJob('exclude: c, retry: { backoff: 2s }')}`,
    );
    expect(job.scope.exclude).toEqual(['c']);
    expect(job.starts.retry).toEqual({ attempts: 9, backoff: 2000, maxBackoff: 600_000 });
    expect(job.verify).toBe('checksum');
  });
});

describe('values', () => {
  it.each<[string, (job: Job) => unknown, unknown]>([
    ['exclude: "*.tmp"', (job) => job.scope.exclude, ['*.tmp']],
    ['delete: { max: 10 }', (job) => job.delete.max, { count: 10 }],
    ['delete: { max: 80% }', (job) => job.delete.max, { percent: 80 }],
    ['delete: 20%', (job) => job.delete.max, { percent: 20 }],
    ['delete: 20', (job) => job.delete.max, { count: 20 }],
    ['delete: false', (job) => job.delete.enabled, false],
    ['trash: true', (job) => job.trash, { dir: '.ferryline/trash', keep: 30 * 86_400_000 }],
    ['trash: { dir: ./t/, keep: 7d }', (job) => job.trash, { dir: 't', keep: 7 * 86_400_000 }],
    ['trash: { keep: false }', (job) => job.trash?.keep, undefined],
    ['catchUp: all', (job) => job.starts.catchUp, { slots: 'all', within: undefined }],
    [
      'catchUp: { within: 2h }',
      (job) => job.starts.catchUp,
      { slots: 'latest', within: 7_200_000 },
    ],
    ['retry: false', (job) => job.starts.retry.attempts, 1],
    ['history: 90d', (job) => job.history, { ms: 90 * 86_400_000 }],
    ['bandwidth: 20Mbit/s', (job) => job.bandwidth?.rate, 2_500_000],
    ['watch: true, settle: 5s', (job) => job.settle, 5000],
    ['modes: { files: "0640", folders: "750" }', (job) => job.modes, { files: 416, folders: 488 }],
    ['watch: true', (job) => job.starts.watch, { rescan: 900_000, poll: undefined }],
    ['watch: false', (job) => job.starts.watch, undefined],
    ['minSize: 10, maxSize: 1KiB', (job) => job.scope.maxSize, 1024],
    ['maxAge: 7d', (job) => job.scope.maxAge, 604_800_000],
    ['bandwidth: 1MiB/s', (job) => job.bandwidth, { rate: 1_048_576, windows: [] }],
    ['timeout: 2h', (job) => job.timeout, 7_200_000],
    ['schedule: "*/5 6-20 * * 1-5"', (job) => job.starts.schedule, ['*/5 6-20 * * 1-5']],
    ['schedule: ["0 0 2 * * *"]', (job) => job.starts.schedule, ['0 0 2 * * *']],
    ['after: delete', (job) => job.after, { kind: 'delete' }],
    [
      'after: { archive: ~/sent }',
      (job) => job.after,
      { kind: 'archive', to: { remote: undefined, path: '/home/u/sent', label: '~/sent' } },
    ],
  ])('%s', (keys, look, expected) => expect(look(jobOf(withJob(keys)))).toEqual(expected));

  it('of remotes', () => {
    const key =
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKK5LXd4KZvXEgkQWm6Yx5Jzlv0hPUJdkqsQ3fZyd9aX me@here';
    const print = `SHA256:${'a'.repeat(43)}`;
    const remote = load(
      withRemote(
        `auth: { key: [k, ~/k], passphrase: p }, hostKey: ["${key}", "${print}"], root: /srv/./x/, ` +
          'knownHosts: ./kh, bandwidth: 500kB/s, algorithms: { cipher: aes128-cbc, kex: { append: [a] } }',
      ),
    ).remotes.get('d');
    expect(remote?.auth).toEqual({
      keys: ['/etc/ferry/k', '/home/u/k'],
      keysOptional: false,
      passphrase: 'p',
    });
    expect(remote?.hostKey).toEqual([key.replace(' me@here', ''), print]);
    expect(remote?.root).toBe('/srv/x');
    expect(remote?.knownHosts).toEqual(['/etc/ferry/kh']);
    expect(remote?.bandwidth).toEqual({ rate: 500_000, windows: [] });
    expect(remote?.algorithms).toEqual({ cipher: ['aes128-cbc'], kex: { append: ['a'] } });
  });

  it('of jump hosts are the remotes themselves', () => {
    const { remotes } = load('remotes: { a: { host: x, jump: b }, b: { host: y } }');
    expect(remotes.get('a')?.jump).toBe(remotes.get('b'));
  });

  it('of the queue: the variable overrides the file', () => {
    expect(load('queue: redis://r').queue).toBe('redis://r');
    const env = { FERRYLINE_QUEUE: 'postgres://p' };
    expect(load('queue: redis://r', { env }).queue).toBe('postgres://p');
    expect(problems('jobs: {}', { env: { FERRYLINE_QUEUE: 'mysql://u:hunter2@p' } })).toEqual([
      expect.stringMatching(/^jobs\.yml:1:1 queue: the variable FERRYLINE_QUEUE must be embedded/),
    ]);
  });
});

describe('locations', () => {
  const at = (location: string) =>
    jobOf(
      `remotes: { d: { host: h }, r: { host: h2, root: /srv }, q: { host: h3, root: sub } }\n` +
        `jobs: { x: { operation: pull, from: ${JSON.stringify(location)}, to: ./z } }`,
    ).from.path;
  it.each([
    ['d:', ''],
    ['d:.', ''],
    ['d:a/./b/../c/', 'a/c'],
    ['d:a//b', 'a/b'],
    ['d:/abs/x', '/abs/x'],
    ['d:./~', '~'],
    ['r:/srv', '/srv'],
    ['r:/srv/a/../b', '/srv/b'],
    ['q:a:b', 'a:b'],
  ])('%s is %j', (written, path) => expect(at(written)).toBe(path));

  it.each([
    ['d:..', /leaves the root/],
    ['d:a/../../b', /leaves the root/],
    ['r:/srv/../etc', /not below the root of its remote, \/srv/],
    ['r:/srvx', /not below the root/],
    ['q:/sub', /is absolute, while the root/],
    ['d:~/x', /leave it out/],
    ['e:x', /remote "e", which does not exist; did you mean "d"\?; a local path .* "\.\/"/],
    ['sftp://u:hunter2@h/x', /remote "sftp", which does not exist/],
  ])('%s is refused', (written, message) => expect(() => at(written)).toThrow(message));

  it.each([
    ['./a:b', '/etc/ferry/a:b'],
    ['a/b:c', '/etc/ferry/a/b:c'],
    ['/a:b/', '/a:b'],
    ['~', '/home/u'],
    ['~/a', '/home/u/a'],
    ['../a', '/etc/a'],
  ])('%s is local', (written, path) =>
    expect(jobOf(withJob('', `operation: push, from: "${written}", to: d:b`)).from.path).toBe(path),
  );
});

describe('interpolation', () => {
  it.each([
    ['${HOST}', 'h.example'],
    ['a-${HOST}-${NONE:-b}', 'a-h.example-b'],
    ['${EMPTY:-x}', 'x'],
    ['x${EMPTY}', 'x'],
    ['$${HOST}', '${HOST}'],
    ['${NONE:-$}x', '$x'],
    ['$HOST', '$HOST'],
    ['a$', 'a$'],
    ['${file:pw}', 'hunter2'],
    ['${file:/run/token}', 'a\n'],
  ])('%s becomes %j', (written, value) => {
    const text = withRemote(`auth: { password: ${JSON.stringify(written)} }`);
    expect(load(text).remotes.get('d')?.auth.password).toBe(value);
  });

  it('knows the commands of secrets, not what they print', () => {
    const bank = { secret: 'bank', command: ['vault', 'get', 'h.example'], folder: '/etc/ferry' };
    const text = `secrets: { bank: [vault, get, "\${HOST}"] }
defaults: { remotes: { auth: { key: k, passphrase: "\${secret:bank}" } } }
remotes: { a: { host: h }, d: { host: h, auth: { password: "\${HOST}-\${secret:bank}\${secret:bank}x" } } }`;
    const { remotes, secrets } = load(text);
    expect(remotes.get('a')?.auth.passphrase).toEqual({ parts: [bank] });
    expect(remotes.get('d')?.auth.password).toEqual({ parts: ['h.example-', bank, bank, 'x'] });
    expect(secrets).toEqual(['h.example-', 'x']);
  });

  it('warns of commands in a file that others can write', () => {
    const text = 'secrets: { bank: [cat, bank] }\njobs: {}';
    expect(load(text, { mode: 0o664 }).warnings).toEqual([
      'other users can write jobs.yml and so have commands of theirs run, since it has "secrets"; chmod go-w it',
    ]);
    expect(load(text, { mode: 0o644 }).warnings).toEqual([]);
    expect(load('jobs: {}', { mode: 0o666 }).warnings).toEqual([]);
  });

  it('reads credentials of systemd, and hides them wherever they are', () => {
    const env = { CREDENTIALS_DIRECTORY: '/run' };
    const { queue, secrets } = load('queue: "redis://:${credential:token}@h"', {
      env,
      readFile: (path) => `${path}-9\n`,
    });
    expect(queue).toBe('redis://:/run/token-9@h');
    expect(secrets).toContain('/run/token-9');
  });

  it('gives numbers and booleans where the key takes them, and text where it takes text', () => {
    const text = `remotes: { d: { host: h, port: "\${PORT}", auth: { password: "\${NUMBER}" } } }
jobs: { x: { operation: push, from: ./a, to: d:b, fsync: "\${TRUE}", delete: { max: "\${PORT}" } } }`;
    const { remotes, jobs } = load(text);
    expect(remotes.get('d')?.port).toBe(2222);
    expect(remotes.get('d')?.auth.password).toBe('12345');
    expect(jobs.get('x')?.fsync).toBe(true);
    expect(jobs.get('x')?.delete.max).toEqual({ count: 2222 });
  });

  it.each([
    ['${NOPE}', /needs the variable NOPE, which is not set/],
    ['${file:nope}', /file that can't be read \(ENOENT\): "nope"/],
    ['${A:-${B}}', /inside another/],
    ['${A', /without "}"/],
    ['${a-b}', /is not \$\{VAR\}/],
    ['${}', /is not/],
  ])('%s is refused with its place', (written, message) => {
    const lines = problems(`remotes:\n  d:\n    host: ${JSON.stringify(written)}`);
    expect(lines).toEqual([expect.stringMatching(message)]);
    expect(lines[0]).toMatch(/^jobs\.yml:3:11 remotes\.d\.host: /);
  });
});

describe('warnings', () => {
  const two = (a: string, b: string) =>
    load(`remotes: { d: { host: h, root: /r }, e: { host: h } }
jobs: { a: { from: ./a, ${a} }, b: { from: ./b, ${b} } }`).warnings;
  it.each([
    ['operation: mirror, to: d:x', 'operation: push, to: d:x', /a and b have the same destination/],
    [
      'operation: push, to: d:x',
      'operation: mirror, to: d:x/',
      /a and b have the same destination/,
    ],
    ['operation: mirror, to: d:x', 'operation: push, to: e:/r/x', /the same destination/],
    ['operation: mirror, to: d:x', 'operation: push, to: d:x/y', /overlapping destinations/],
    ['operation: mirror, to: d:x/y', 'operation: push, to: "d:"', /overlapping destinations/],
  ])('%s beside %s', (a, b, message) => {
    expect(two(a, b)).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    ['operation: push, to: d:x', 'operation: push, to: d:x'],
    ['operation: mirror, to: d:x', 'operation: mirror, to: d:xy'],
    ['operation: mirror, to: d:x', 'operation: push, to: e:x'],
  ])('none for %s beside %s', (a, b) => expect(two(a, b)).toEqual([]));

  it('of delete rules on a job that never deletes', () => {
    expect(load(withJob('delete: { max: 1 }')).warnings).toEqual([
      expect.stringContaining('"delete" has no effect on a push'),
    ]);
    expect(load(`defaults: { jobs: { delete: { max: 1 } } }\n${withJob('')}`).warnings).toEqual([]);
  });

  it('of an agent that is used but not running', () => {
    const text = withRemote('auth: { agent: true }');
    expect(load(text).warnings).toEqual([expect.stringContaining('SSH_AUTH_SOCK is not set')]);
    const { warnings, remotes } = load(text, { agent: '/s' });
    expect([warnings, remotes.get('d')?.auth.agent]).toEqual([[], '/s']);
  });
});

describe('overrides', () => {
  it('apply to every job, text meaning numbers: maps merge, lists replace', () => {
    const overrides = { exclude: ['b'], delete: { max: '7' }, bandwidth: '1MiB/s', fsync: 'true' };
    const text = withJob(
      'exclude: a, delete: { require: r }',
      'operation: mirror, from: a, to: d:b',
    );
    const job = jobOf(text, { overrides });
    expect(job.scope.exclude).toEqual(['b']);
    expect(job.delete).toMatchObject({ max: { count: 7 }, require: 'r' });
    expect([job.bandwidth?.rate, job.fsync]).toEqual([1_048_576, true]);
    expect(overrides.delete.max).toBe('7');
  });

  it.each([
    [{ delete: { max: '200%' } }, 'delete.max: must be a share'],
    [{ compare: 'manifest' }, 'compare: "manifest" is not in this version'],
    [{ temp: 'x' }, 'temp: is not in this version'],
    [{ bandwidth: '10' }, 'bandwidth: must be a rate'],
  ])('%j is refused by its key', (overrides, message) =>
    expect(problems(withJob(''), { overrides })).toEqual([expect.stringContaining(message)]),
  );

  it('apply only to the jobs named, if any are', () => {
    const text = withJob('', 'operation: mirror, from: a, to: d:b');
    const none = { overrides: { after: 'delete' }, isOverridden: (job: string) => job === 'other' };
    expect(jobOf(text, none).after).toEqual({ kind: 'keep' });
    expect(problems(text, { ...none, isOverridden: (job) => job === 'x' })).toHaveLength(1);
  });

  it('that do not go with a job say where they came from', () => {
    const lines = problems(withJob('', 'operation: mirror, from: a, to: d:b'), {
      overrides: { after: 'delete' },
    });
    expect(lines).toEqual([
      expect.stringMatching(/jobs\.x\.after: .*\(given on the command line\)$/),
    ]);
  });
});

describe('a job on the command line', () => {
  const remote = load('remotes: { "h": { host: h } }').remotes.get('h');
  const from = { remote: undefined, path: '/a', label: './a' };
  const to = { remote, path: 'b', label: 'h:b' };

  it('takes the keys of a job as text', () => {
    const raw = { operation: 'mirror', from: './a', to: 'h:b', delete: { max: '3' }, exclude: 'x' };
    const job = adHocJob(raw, { from, to }, context);
    expect(job.name).toMatch(/^mirror-[0-9a-f]{8}$/);
    expect([job.from, job.to, job.operation]).toEqual([from, to, 'mirror']);
    expect([job.delete.max, job.scope.exclude]).toEqual([{ count: 3 }, ['x']]);
    expect(adHocJob(raw, { from, to }, context).name).toBe(job.name);
    expect(adHocJob(raw, { from, to: { ...to, path: 'c' } }, context).name).not.toBe(job.name);
  });

  it('archives beside its source', () => {
    const job = adHocJob({ operation: 'push', after: { archive: '~/z' } }, { from, to }, context);
    expect(job.after).toMatchObject({ kind: 'archive', to: { path: '/home/u/z' } });
    const relative = { operation: 'push', after: { archive: 'z' } };
    expect(() => adHocJob(relative, { from, to }, context)).toThrow(
      /after.archive: must be absolute/,
    );
    const below = adHocJob(relative, { from, to }, { ...context, folder: '/w' });
    expect(below.after).toMatchObject({ to: { path: '/w/z' } });
  });

  it.each([
    [{ operation: 'pull' }, /^from: must be on a remote for a pull/],
    [{ operation: 'push', compare: 'x' }, /^compare: must be one of/],
    [{ operation: 'mirror', after: 'delete' }, /^after: must be keep/],
    [{ operation: 'push', nope: 1 }, /^nope: unknown key/],
  ])('%j is refused by its key', (raw, message) => {
    expect(() => adHocJob(raw, { from, to }, context)).toThrow(
      expect.objectContaining({ kind: 'config', message: expect.stringMatching(message) }),
    );
  });
});

describe('what people write otherwise is read as it is meant', () => {
  it.each(['[::1]', '::1', '[fe80::1%eth0]'])('host: %s', (host) => {
    const config = load(`remotes: { d: { host: "${host}" } }`);
    expect(config.remotes.get('d')?.host).toBe(host.replace(/[[\]]/g, ''));
  });

  it.each(['"0\\t2\\t*\\t*\\t*"', '"0  2   * * *"', '"@daily"', '"@Weekly "'])(
    'schedule: %s',
    (schedule) => {
      expect(jobOf(withJob(`schedule: ${schedule}`)).starts.schedule).toHaveLength(1);
    },
  );
});

describe('the API', () => {
  it.each([
    ['jobs: {}', { host: '127.0.0.1', port: 7022 }, false],
    ['api: { listen: "[::1]:80" }', { host: '::1', port: 80 }, true],
    ['api: { listen: "localhost:0" }', { host: 'localhost', port: 0 }, true],
    ['api: { listen: "127.3.2.1:1" }', { host: '127.3.2.1', port: 1 }, true],
    ['api: false', undefined, true],
  ])('listens: %s', (text, listen, isChosen) => {
    expect(load(text).api).toMatchObject({ listen, isChosen, url: undefined, tokens: [] });
  });

  it('has an address and tokens', () => {
    const { api } = load(
      `api: { listen: "0.0.0.0:7022", url: "https://ops.example/f/", tokens: { a: { role: view, token: "\${LONG}" } } }`,
      { env: { LONG: 'x'.repeat(20) } },
    );
    expect(api.url).toBe('https://ops.example/f');
    expect(api.tokens).toEqual([{ name: 'a', role: 'view', token: 'x'.repeat(20) }]);
  });
});

describe('incidents', () => {
  const channels = (text: string, env = {}) => load(`notify: { ${text} }`, { env }).notify;

  it('a channel has its defaults', () => {
    const { on, ...rest } = channels('ops: { webhook: "https://h/x" }').get('ops') ?? {};
    expect([...(on ?? [])]).toContain('recovered');
    expect(rest).toEqual({
      name: 'ops',
      target: { kind: 'webhook', url: 'https://h/x', format: 'generic', secret: undefined },
      ...{ failures: 1, wait: 0, remind: 86_400_000, group: 60_000, quiet: undefined },
    });
  });

  it('a channel by e-mail, with quiet hours, that reminds nobody', () => {
    const found = channels(
      'm: { email: a@b.c, smtp: "smtps://u:p@h", on: [failed, overdue], remind: false }',
    ).get('m');
    expect(found?.target).toMatchObject({ to: ['a@b.c'], smtp: 'smtps://u:p@h', from: undefined });
    expect([...(found?.on ?? [])]).toEqual(['failed', 'overdue']);
    expect(found?.remind).toBeUndefined();
    const quiet = channels('m: { webhook: "http://h", quiet: { hours: [Sat, "22:00-06:00"] } }');
    expect(quiet.get('m')?.quiet?.hours.text).toBe('Sat, 22:00-06:00');
  });

  it.each<[string, Partial<Job['incidents']>]>([
    ['notify: false', { notify: [] }],
    ['notify: true', { notify: undefined }],
    ['notify: ops', { notify: ['ops'] }],
    ['stale: 26h', { stale: 93_600_000 }],
    ['stale: false', { stale: false }],
    ['slow: 3x', { slow: { times: 3 } }],
    ['slow: 2h', { slow: { ms: 7_200_000 } }],
    ['slow: false', { slow: undefined }],
  ])('a job with %s', (keys, expected) => {
    const text = `notify: { ops: { webhook: "https://h/x" } }\n${withJob(keys)}`;
    expect(jobOf(text).incidents).toMatchObject(expected);
  });

  it('the heartbeat, and what of all that is secret', () => {
    const { heartbeat, secrets } = load(
      [
        'heartbeat: { healthchecks: "https://hc.example/canary-beat" }',
        'notify:',
        '  a: { webhook: "https://h.example/services/canary-hook?key=1" }',
        '  b: { email: a@b.c, smtp: "smtps://u:canary%2Dmail@h" }',
        '  c: { healthchecks: "https://hc.example/canary-key/{job}" }',
        '  d: { webhook: "https://h.example", secret: canary-canary-canary-canary }',
      ].join('\n'),
    );
    expect(heartbeat).toEqual({ url: 'https://hc.example/canary-beat', every: 300_000 });
    expect(secrets).toEqual(
      expect.arrayContaining([
        ...['canary-beat', 'services/canary-hook?key=1', 'canary-mail', 'canary-key'],
        'canary-canary-canary-canary',
      ]),
    );
  });
});
