import { describe, expect, it } from 'vitest';
import { load, problems, withJob, withRemote } from '../../kit/loading.js';

const withToken = (token: string) => `api: { tokens: { a: { role: view, token: ${token} } } }`;

describe('what is refused', () => {
  it.each<[string, string[]]>([
    ['', ['1:1 the file is empty']],
    ['# only a comment', ['1:1 the file is empty']],
    ['- a', ['1:1 must be a map, not a list']],
    ['text', ['1:1 must be a map, not "text"']],
    ['jobs:', ['1:6 jobs: is empty']],
    ['jbos: {}', ['1:1 jbos: unknown key; did you mean "jobs"?']],
    [
      'zzz: {}',
      [
        '1:1 zzz: unknown key; allowed: queue, name, stateDir, bandwidth, remotes, groups, defaults, jobs',
      ],
    ],
    ['jobs: {}\njobs: {}', ['2:1 jobs: this key appears twice']],
    ['remotes: { 1a: { host: h } }', ['1:12 remotes.1a: must be a name']],
    ['__proto__: {}', ['1:1 __proto__: this key is not allowed']],
    ['? [a]\n: 1', ['1:3 ?: a key must be plain text']],
    ['a: [1', ['1:6 not valid YAML']],
    ['jobs: {}\n---\njobs: {}', ['2:1 a second document starts here']],
    [withRemote('port: 0'), ['1:32 remotes.d.port: must be at least 1, not 0']],
    [withRemote('port: "22"'), ['1:32 remotes.d.port: must be a number, not "22"']],
    [withRemote('prot: 22'), ['1:26 remotes.d.prot: unknown key; did you mean "port"?']],
    [withRemote('transport: telnet'), ['1:37 remotes.d.transport: must be ssh2 or openssh']],
    [withRemote('auth: {}'), ['1:32 remotes.d.auth: has no login method']],
    [withRemote('auth: { passphrase: x, agent: true }'), ['is set without a key']],
    [withRemote('auth: { password: "" }'), ['remotes.d.auth.password: is empty']],
    [withRemote('hostKey: MD5:aa'), ['must be a fingerprint such as SHA256:']],
    [withRemote('hostKey: "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIKK5LXd4KZvXEgkQ"'), ['public key']],
    [withRemote('root: ../x'), ['leaves the login folder']],
    [withRemote('replyTimeout: 30'), ['must be a time with its unit', 'not 30']],
    [withRemote('replyTimeout: 0s'), ['must be more than 0']],
    [withRemote('stallTimeout: 30d'), ['must be at most 24d']],
    [withRemote('bandwidth: 20'), ['must be a rate with its unit']],
    [withRemote('algorithms: { ciphers: [] }'), ['did you mean "cipher"?']],
    [withRemote('jump: d'), ['remotes.d.jump: makes a circle of jump hosts']],
    [withRemote('jump: dd'), ['remote "dd", which does not exist; did you mean "d"?']],
    ['api: { listen: 7022 }', ['1:16 api.listen: must be an IP address or localhost, and a port']],
    ['api: { listen: "ops.example:7022" }', ['api.listen: must be an IP address or localhost']],
    ['api: { listen: "127.0.0.1:70000" }', ['api.listen: must be an IP address or localhost']],
    ['api: { listen: "0.0.0.0:7022" }', ['1:16 api.listen: is an address that other machines']],
    ['api: { listen: "[::]:7022" }', ['api.listen: is an address that other machines']],
    ['api: { url: "https://u:p@ops.example" }', ['api.url: must be the address people use']],
    [withToken('short'), ['api.tokens.a.token: has fewer than 20 characters', 'openssl rand']],
    [withToken('"with a space in the middle of it"'), ['only visible ASCII characters']],
    [
      `api: { tokens: { a: { role: admin, token: ${'t'.repeat(20)} } } }`,
      ['api.tokens.a.role: must be one of view, operate, not "admin"'],
    ],
    [
      `api: { tokens: { a: &t { role: view, token: ${'t'.repeat(20)} }, b: *t } }`,
      ['api.tokens.b.token: is also the token of another name'],
    ],
    [withJob('hooks: { before: ./dump.sh -v }'), ['hooks.before: must be a list of a program and']],
    [withJob('hooks: { after: [x] }'), ['hooks.after: unknown key']],
    [withJob('hooks: { env: FERRYLINE_JOB }'), ['must be the name of an environment variable']],
    [withJob('compare: once'), ['jobs.x.compare: must be one of auto']],
    [withJob('compare: manifest'), ['"manifest" is not in this version']],
    [
      withJob('compare: chksum'),
      ['one of auto, mtime, size, checksum, not "chksum"; did you mean'],
    ],
    [withJob('exclude: ["!a"]'), ['jobs.x.exclude[0]: "!a" starts with "!"', 'use include']],
    [withJob('include: ["#a"]'), ['starts with "#"']],
    [withJob('exclude: /'), ['matches nothing']],
    [withJob('exclude: [5]'), ['must be text, not 5; quote it']],
    [withJob('modes: { files: 0644, folders: "0755" }'), ['must be octal', 'not 644; quote it']],
    [withJob('modes: { files: "4755", folders: "0755" }'), ['without set-id bits']],
    [withJob('delete: { max: 200% }'), ['jobs.x.delete.max: must be a share from 0% to 100%']],
    [withJob('delete: { max: -1 }'), ['jobs.x.delete.max: must be at least 0']],
    [withJob('trash: { dir: ../t }'), ['jobs.x.trash.dir: must not contain ".."']],
    [withJob('trash: { dir: /t }'), ['must be a path below the root']],
    [withJob('trash: { dir: . }'), ['not the root itself']],
    [withJob('delete: { require: a/../../b }'), ['delete.require: must not contain ".."']],
    [withJob('delete: { keep: 3d }'), ['jobs.x.delete.keep: is not a key', 'trash: { keep: … }']],
    [withJob('delete: { trash: t }'), ['jobs.x.delete.trash: is not a key', 'use trash']],
    [withJob('missed: all'), ['jobs.x.missed: is not a key of jobs.yml; use catchUp instead']],
    [withJob('missedWithin: 1h'), ['use catchUp: { within: … } instead']],
    [withJob('watch: { settle: 1s }'), ['jobs.x.watch.settle: is not a key', 'use settle']],
    [withJob('settle: 5s'), ['jobs.x.settle: needs "watch"']],
    [
      withJob('existing: replace'),
      ['jobs.x.existing: "replace" is not a value', 'write overwrite'],
    ],
    [withJob('existing: keep'), ['write skip']],
    [withJob('bwlimit: 1M'), ['jobs.x.bwlimit: is not a key', 'use bandwidth']],
    [withJob('cron: "* * * * *"'), ['use schedule']],
    [withJob('backup-dir: x'), ['use trash']],
    [withJob('catchUp: some'), ['must be latest, all, none, or a map']],
    [withJob('window: "08:00-08:00"'), ['jobs.x.window: ', 'never opens']],
    [withJob('window: "Mo-Fr"'), ['names a day']],
    [withJob('bandwidth: { windows: [] }'), ['must name at least one window']],
    [withJob('bandwidth: { windows: [{ hours: "8-9", rate: 1MiB/s }] }'), ['must be hours']],
    ['remotes: { d: { host: h, deadline: 5s } }', ['remotes.d.deadline', 'use replyTimeout']],
    ['remotes: { d: { host: h, user: me } }', ['remotes.d.user', 'use username']],
    ['remotes: { d: { host: h, password: x } }', ['use auth: { password: … }']],
    ['servers: {}', ['1:1 servers: is not a key of jobs.yml; use remotes instead']],
    ['defaults: { exclude: [x] }', ['defaults.exclude: unknown key']],
    [withJob('ignoreFile: a/b'), ['must be a file name without "/"']],
    [withJob('schedule: "0 25 * * *"'), ['is not a valid cron expression']],
    [withJob('schedule: "@reboot"'), ['the start of the machine', 'ferryline enqueue']],
    [withJob('schedule: "@every 5m"'), ['5 fields, or 6', '@daily']],
    ['remotes: { d: { host: "name:2222" } }', ['remotes.d.host: ', 'has a port', 'port: 2222']],
    ['remotes: { d: { host: "[::1]:2222" } }', ['"host: ::1" and "port: 2222"']],
    ['remotes: { d: { host: "me@name" } }', ['username', 'host: name']],
    ['remotes: { d: { host: "sftp://name" } }', ['is a URL']],
    ['remotes: { d: { host: "1:2:3" } }', ['no IPv6 address']],
    ['remotes: { d: { host: "[name]" } }', ['no host name']],
    ['queue: "redis://u:canary@host:port"', ['without a valid host']],
    [withJob('schedule: ["0 2 * * *", "0 2 * *"]'), ['jobs.x.schedule[1]: must be a cron']],
    [withJob('timezone: Mars/X'), ['must be a time zone']],
    [withJob('watch: { rescn: 1s }'), ['jobs.x.watch.rescn: unknown key; did you mean "rescan"?']],
    [withJob('watch: yes'), ['must be true, false, or a map']],
    [withJob('worker: a b'), ['jobs.x.worker: must be a name']],
    [withJob('worker: names'), ['jobs.x.worker: "names" is a name that ferryline uses itself']],
    ['name: a-b', ['1:7 name: must be a name: a letter, then up to 31']],
    ['name: ferryline-runs', ['1:7 name: must be a name']],
    [withJob('minSize: 2KiB, maxSize: 1KiB'), ['jobs.x.maxSize: is less than minSize']],
    [withJob('minAge: 2d, maxAge: 1d'), ['jobs.x.maxAge: is less than minAge']],
    [withJob('after: { archive: ./a/done }'), ['jobs.x.after.archive: overlaps "from"']],
    [withJob('after: { archive: d:done }'), ['must be on the same side as "from"']],
    [withJob('after: { archive: "./{date:yyyy}" }'), ['"{date:…}" is not in this version']],
    [withJob('after: delete', 'operation: mirror, from: ./a, to: d:b'), ['keep for a mirror']],
    [withJob('', 'operation: push, from: ./a, to: ./b'), ['are both local']],
    [withJob('', 'operation: mirror, from: ./a, to: ./b'), ['are both local']],
    [withJob('', 'operation: push, from: ./a, to: d'), ['did you mean "d:"']],
    [withJob('', 'operation: push, from: d:a, to: ./b'), ['must be on a remote for a push']],
    [withJob('', 'operation: pull, from: ./a, to: d:b'), ['must be on a remote for a pull']],
    [withJob('', 'operation: pull, from: d:a, to: d:a/b'), ['jobs.x.to: overlaps "from"']],
    [withJob('', 'operation: pull, from: d:a, to: "d:"'), ['overlaps "from"']],
    [withJob('', 'operation: pull, from: "d:{date:yyyy}", to: ./b'), ['not in this version']],
    [
      withJob('watch: true', 'operation: pull, from: d:a, to: ./b'),
      ['jobs.x.watch: needs a local'],
    ],
    [
      'jobs: { x: { from: ./a, to: ./b } }',
      ['1:9 jobs.x.operation: is missing; must be one of push'],
    ],
    ['defaults: { jobs: { operation: push } }', ['defaults.jobs.operation: unknown key']],
    [
      `defaults: { jobs: { watch: true } }\n${withJob('', 'operation: pull, from: d:a, to: ./b')}`,
      ['1:28 defaults.jobs.watch: needs a local', '(in job x)'],
    ],
  ])('%s', (text, parts) => {
    const lines = problems(text);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^jobs\.yml:\d+:\d+ /);
    for (const part of parts) expect(lines[0]).toContain(part);
  });

  it.each<[string, string[]]>([
    [
      `secrets: { bank: [a] }\n${withRemote('auth: { password: "${secret:bnak}" }')}`,
      ['2:44 remotes.d.auth.password: names the secret "bnak", which', 'did you mean "bank"?'],
    ],
    [withRemote('auth: { password: "${secret:bank}" }'), ['does not exist; add it to "secrets"']],
    [
      `secrets: { bank: [a] }\nremotes: { d: { host: "\${secret:bank}" } }`,
      [
        '2:23 remotes.d.host: has a "${secret:…}", which is allowed in auth.password and auth.passphrase',
      ],
    ],
    [`secrets: { a: [x], b: [cat, "\${secret:a}"] }`, ['secrets.b[1]: has a "${secret:…}"']],
    ['secrets: { bank: vault kv get }', ['1:18 secrets.bank: must be a list of a program and']],
    ['secrets: { bank: [] }', ['secrets.bank: must be a list of a program and its arguments']],
    ['secrets: { bank: [""] }', ['secrets.bank: must begin with the name of a program']],
    ['secrets: { 1a: [x] }', ['secrets.1a: must be a name']],
    [
      withRemote('auth: { password: "${credential:bank}" }'),
      ['CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential=bank:'],
    ],
    [withRemote('auth: { password: "${credential:../x}" }'), ['that is no file name: "../x"']],
    [
      `secrets: { bank: [a] }\n${withRemote('transport: openssh, auth: { password: "${secret:bank}" }')}`,
      ['remotes.d.auth.password: does not work with transport: openssh'],
    ],
  ])('secrets: %s', (text, parts) => {
    const lines = problems(text);
    expect(lines).toHaveLength(1);
    for (const part of parts) expect(lines[0]).toContain(part);
  });

  it('a credential that the unit does not have', () => {
    const env = { CREDENTIALS_DIRECTORY: '/run/credentials/f' };
    expect(problems(withRemote('auth: { password: "${credential:bank}" }'), { env })).toEqual([
      'jobs.yml:1:44 remotes.d.auth.password: needs a credential that can\'t be read (ENOENT): "bank"; give the unit LoadCredential=bank:FILE',
    ]);
  });

  it.each(['temp', 'once', 'release', 'expect'])('%s, which is planned', (key) => {
    expect(problems(withJob(`${key}: x`))).toEqual([
      expect.stringContaining(`jobs.x.${key}: is not in this version`),
    ]);
    expect(problems(`defaults: { jobs: { ${key}: x } }`)[0]).toContain('is not in this version');
  });

  it('holidays at the top, which is planned', () =>
    expect(problems('holidays: {}')).toEqual([
      'jobs.yml:1:1 holidays: is not in this version; remove it',
    ]));

  it.each([
    ['ops: {}', ['1:16 notify.ops: says not where messages go; add webhook']],
    [
      'ops: { webhook: "https://h/x", email: a@b.c }',
      ["1:49 notify.ops.email: can't be used with webhook"],
    ],
    ['ops: { email: a@b.c }', ['1:25 notify.ops.email: needs "smtp"']],
    ['ops: { webhook: "file:///etc/passwd" }', ['1:27 notify.ops.webhook: must be an address']],
    [
      'ops: { webhook: "https://h/x", format: slack, secret: abcdefghijklmnopqrstuvw }',
      ['notify.ops.secret: signs the format generic'],
    ],
    ['ops: { webhook: "https://h/x", smtp: "smtp://m" }', ['is a key of email']],
    ['ops: { webhook: "https://h/x", on: [failure] }', ['notify.ops.on']],
    ['ops: { email: "a@b.c\\nBcc: x@y.z", smtp: "smtp://m" }', ['must be an e-mail address']],
    ['ops: { webhook: "https://h/x", remind: 1 }', ['notify.ops.remind: must be a time']],
  ])('a channel: %s', (text, parts) => {
    const lines = problems(`notify: { ${text} }`);
    expect(lines).toHaveLength(1);
    for (const part of parts) expect(lines[0]).toContain(part);
  });

  it('a channel that does not exist, in a job and in defaults', () => {
    const notify = 'notify: { ops: { webhook: "https://h/x" } }';
    expect(problems(`${notify}\n${withJob('notify: [opps]')}`)).toEqual([
      expect.stringContaining(
        'jobs.x.notify: names a channel that "notify" does not have, "opps"; did you mean "ops"?; it has ops',
      ),
    ]);
    expect(problems(`${notify}\ndefaults: { jobs: { notify: mail } }`)[0]).toContain(
      '2:29 defaults.jobs.notify: names a channel',
    );
  });

  it('no message has the address of a channel', () => {
    const text = 'notify: { ops: { webhook: "ftp://h/canary-canary" } }';
    expect(problems(text).join()).not.toContain('canary');
  });

  it('a circle of jump hosts, reported once', () => {
    const text =
      'remotes: { a: { host: x, jump: b }, b: { host: y, jump: c }, c: { host: z, jump: a } }';
    expect(problems(text)).toEqual([
      'jobs.yml:1:82 remotes.c.jump: makes a circle of jump hosts; remove one of them',
    ]);
  });

  it.each([
    ['a: *', 'bare "*"'],
    ['a: [*.tmp]', 'bare "*"'],
    ['a: !keep', 'bare "!"'],
    ['a: [!keep, b]', 'bare "!"'],
    ['a: { h: ${X}, b: 1 }', 'bare "${"'],
    ['a: [${X}]', 'bare "${"'],
    ['a: @b', 'bare "@"'],
    ['a: %b', 'bare "%"'],
  ])("YAML's own trap %s says to quote it", (text, what) => {
    const line = problems(text).find((problem) => problem.includes(what));
    expect(line).toContain('quote it');
  });

  it('all at once, in the order of the file, however far apart', () => {
    const lines = problems(`remotes:
  a: { host: h, prot: 1 }
  b: { host: h, root: .. }
jobs:
  x: { operation: push, from: ./a, to: bb:x }
  y: { operation: move, from: ./a, to: b:x }
`);
    expect(lines.map((line) => line.split(' ')[1])).toEqual([
      'remotes.a.prot:',
      'remotes.b.root:',
      'jobs.x.to:',
      'jobs.y.operation:',
    ]);
  });

  it('twenty of them, and the rest as a number', () => {
    const keys = Array.from({ length: 30 }, (_, i) => `zz${i}: 1`).join('\n');
    const lines = problems(keys);
    expect(lines).toHaveLength(21);
    expect(lines[20]).toBe('and 10 more');
  });

  it('a line that holds a name with control characters, escaped', () =>
    expect(problems('"a\\e[31m\\nb": 1')[0]).toContain('a\\x1b[31m\\nb: unknown key'));
});

describe('hostile files', () => {
  const bomb = ['a: &a0 [x, x, x, x, x, x, x, x, x, x]']
    .concat(Array.from({ length: 9 }, (_, i) => `b${i}: &a${i + 1} [${`*a${i}, `.repeat(10)}]`))
    .join('\n');
  const mega = 1024 * 1024;
  it.each([
    ['an alias bomb', bomb, /aliases expand to more than/],
    ['an alias inside its anchor', 'jobs: &a { x: *a }', /inside its own anchor/],
    ['8 MB', `# ${'x'.repeat(8 * mega)}`, /larger than 1 MiB/],
    ['1 MiB of two-byte characters and one more', `#${'é'.repeat(mega / 2)}`, /larger than 1 MiB/],
    ['a million brackets', '['.repeat(1_000_000), /nests too deeply/],
    ['a million closed brackets', '['.repeat(500_000) + ']'.repeat(500_000), /nests too deeply/],
    ['braces', '{a: '.repeat(200_000), /nests too deeply/],
    ['lists in lists', '- '.repeat(500_000), /nests too deeply/],
    ['questions in questions', '? '.repeat(500_000), /nests too deeply/],
    ['stairs', Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /deeply/],
    ['maps on one line', '"a": '.repeat(200_000), /nests too deeply/],
    ['a queue of colons', `queue: "redis://${'a:'.repeat(400_000)}"`, /queue: is longer than 4096/],
    ['a long name', `jobs: { ${'a'.repeat(900_000)}: {} }`, /this key is not allowed/],
    ['long variables', `queue: "${'${HOST}'.repeat(500)}"`, /longer than 4096 .* once filled in/],
    ['a million commas', `[${','.repeat(1_000_000)}]`, /has more than 100000 YAML tokens/],
    ['many errors', 'a: @\n'.repeat(13_000), /quote it/],
    ['many unknown keys', Array.from({ length: 13_000 }, (_, i) => `k${i}: 1`).join('\n'), /more$/],
    ['many equal keys', 'jobs: {}\n'.repeat(13_000), /appears twice/],
  ])('%s', (_name, text, message) => {
    expect(problems(text).join('\n')).toMatch(message);
  });

  it('aliases for what they are meant for work', () => {
    const { remotes } = load('remotes: { a: &a { host: x, root: /r }, b: *a }');
    expect(remotes.get('b')?.root).toBe('/r');
  });
});

describe('secrets', () => {
  it('are listed, whatever they came from', () => {
    const config = load(
      `queue: redis://u:p%40ss@r
remotes:
  a: { host: h, auth: { password: "\${file:pw}" } }
  b: { host: h, auth: { key: k, passphrase: "\${NUMBER}" } }
  c: { host: h, auth: { password: plain } }`,
    );
    expect(config.secrets).toEqual(['hunter2', '12345', 'plain', 'p%40ss', 'p@ss']);
  });

  it.each([
    'queue: mysql://u:hunter2@h',
    withToken('hunter2'),
    withToken('[hunter2]'),
    withToken('"hunter2 hunter2 hunter2"'),
    'remotes: { a: { host: h, auth: [hunter2] } }',
    'remotes: { a: { host: h, auth: { password: [hunter2] } } }',
    'remotes: { a: { host: h, auth: { password: *hunter2 } } }',
    'remotes: { a: { host: h, auth: { password: !hunter2 } } }',
    'remotes: { a: { host: h, auth: { password: "hunter2 } } }',
    'remotes: { a: { host: h, auth: { password: "x" hunter2 } } }',
    'remotes:\n  a:\n    auth:\n      password: |hunter2',
    'remotes: { a: { host: h, auth: { agent: hunter2 } } }',
    'remotes: { a: { host: h, port: "${file:pw}" } }',
    'remotes: { a: { host: h, hostKey: "${file:pw}" } }',
  ])('never appear in a message: %s', (text) => {
    const lines = problems(text);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('\n')).not.toContain('hunter2');
  });

  it('are the tokens of the API, too', () => {
    const { secrets, warnings } = load(withToken('t'.repeat(20)), { mode: 0o644 });
    expect(secrets).toEqual(['t'.repeat(20)]);
    expect(warnings).toEqual([expect.stringContaining('contains secrets')]);
  });

  it.each([
    [withRemote('auth: { password: plain }'), 0o644, 1],
    [withRemote('auth: { password: "${NONE:-plain}" }'), 0o640, 1],
    ['queue: redis://:plain@r', 0o604, 1],
    [withRemote('auth: { password: plain }'), 0o600, 0],
    [withRemote('auth: { password: "${file:pw}" }'), 0o644, 0],
    ['queue: redis://:${NUMBER}@r', 0o644, 0],
    [withRemote('auth: { key: k }'), 0o644, 0],
  ])('written out in a file that others may read are warned of: %s', (text, mode, count) => {
    const { warnings } = load(text, { mode });
    expect(warnings).toHaveLength(count);
    if (count > 0) expect(warnings[0]).toMatch(/jobs\.yml contains secrets .* chmod 600/);
  });
});
