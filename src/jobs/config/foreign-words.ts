/** Words of older drafts and of other tools, each with the word that jobs.yml uses for it. */

/** The kind of map in jobs.yml in which a word was found. */
export type WordPlace =
  | 'top'
  | 'defaults'
  | 'job'
  | 'remote'
  | 'auth'
  | 'delete'
  | 'trash'
  | 'watch';

const everyJob = {
  src: 'from',
  source: 'from',
  local: 'from',
  'local-dir': 'from',
  dest: 'to',
  dst: 'to',
  destination: 'to',
  target: 'to',
  targets: 'to, which takes a list,',
  destinations: 'to, which takes a list,',
  hosts: 'to, which takes a list or a group,',
  'server-dir': 'to',
  type: 'operation',
  mode: 'operation',
  action: 'operation',
  direction: 'operation',
  cron: 'schedule',
  interval: 'schedule',
  every: 'schedule',
  tz: 'timezone',
  missed: 'catchUp',
  missedWithin: 'catchUp: { within: … }',
  misfire: 'catchUp',
  delay: 'settle',
  ready: 'settle',
  ignore: 'exclude',
  filter: 'include and exclude',
  'max-delete': 'delete: { max: … }',
  'delete-max': 'delete: { max: … }',
  maxDelete: 'delete: { max: … }',
  'backup-dir': 'trash',
  backupDir: 'trash',
  backup: 'trash',
  recycle: 'trash',
  update: 'existing: newer',
  overwrite: 'existing',
  conflict: 'existing',
  'ignore-existing': 'existing: skip',
  checksum: 'compare: checksum',
  links: 'symlinks',
  chmod: 'modes',
  permissions: 'modes',
  bwlimit: 'bandwidth',
  limit: 'bandwidth',
  rate: 'bandwidth',
  retries: 'retry: { attempts: … }',
  attempts: 'retry: { attempts: … }',
  transfers: 'maxFiles, a key of the remote,',
  parallel: 'maxFiles, a key of the remote,',
  checkers: 'maxFiles, a key of the remote,',
  node: 'worker',
  append: 'live',
  growing: 'live',
  hours: 'window',
  pre: 'hooks: { before: … }',
  post: 'hooks: { success: … }',
  alert: 'notify',
  mark: 'doneFile',
  comment: 'description',
  title: 'description',
  keepReports: 'history',
};

const words: Readonly<Record<WordPlace, Readonly<Record<string, string>>>> = {
  top: {
    servers: 'remotes',
    hosts: 'remotes',
    connections: 'remotes',
    group: 'groups',
    inventory: 'groups',
    clusters: 'groups',
    include: 'jobs.d/*.yml, whose files are read too,',
    includes: 'jobs.d/*.yml, whose files are read too,',
    import: 'jobs.d/*.yml, whose files are read too,',
    tasks: 'jobs',
    syncs: 'jobs',
    sync: 'jobs',
    redis: 'queue',
    database: 'queue',
    default: 'defaults',
    state: 'stateDir',
    stateFolder: 'stateDir',
    bwlimit: 'bandwidth',
    alerts: 'notify',
    notifications: 'notify',
    vars: 'variables of the environment, as ${NAME},',
  },
  defaults: { remote: 'remotes', job: 'jobs' },
  job: everyJob,
  remote: {
    hostname: 'host',
    server: 'host',
    address: 'host',
    user: 'username',
    login: 'username',
    password: 'auth: { password: … }',
    pass: 'auth: { password: … }',
    key: 'auth: { key: … }',
    key_file: 'auth: { key: … }',
    keyFile: 'auth: { key: … }',
    privateKey: 'auth: { key: … }',
    identityFile: 'auth: { key: … }',
    IdentityFile: 'auth: { key: … }',
    passphrase: 'auth: { passphrase: … }',
    agent: 'auth: { agent: true }',
    fingerprint: 'hostKey',
    hostkey: 'hostKey',
    known_hosts: 'knownHosts',
    known_hosts_file: 'knownHosts',
    path: 'root',
    dir: 'root',
    directory: 'root',
    base: 'root',
    proxyJump: 'jump',
    ProxyJump: 'jump',
    deadline: 'replyTimeout',
    timeout: 'replyTimeout',
    stall: 'stallTimeout',
    connections: 'maxSessions',
    maxConnections: 'maxSessions',
    transfers: 'maxFiles',
    parallel: 'maxFiles',
    bwlimit: 'bandwidth',
    ciphers: 'algorithms: { cipher: … }',
  },
  auth: {
    identityFile: 'key',
    privateKey: 'key',
    keyFile: 'key',
    file: 'key',
    pass: 'password',
    secret: 'password',
  },
  delete: {
    trash: 'trash, a key of the job,',
    keep: 'trash: { keep: … }, a key of the job,',
    percent: 'max',
    limit: 'max',
    backup: 'trash, a key of the job,',
  },
  trash: { folder: 'dir', path: 'dir', days: 'keep', age: 'keep' },
  watch: {
    settle: 'settle, a key of the job,',
    delay: 'settle, a key of the job,',
    interval: 'poll',
  },
};

/** The key to use for a word of an older draft or another tool; undefined if there is none. */
export function ourWord(place: WordPlace, word: string): string | undefined {
  const known = words[place];
  return Object.hasOwn(known, word) ? known[word] : undefined;
}

const values: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  existing: {
    replace: 'overwrite',
    keep: 'skip',
    ignore: 'skip',
    update: 'newer',
    'only-newer': 'newer',
  },
  operation: {
    upload: 'push',
    put: 'push',
    download: 'pull',
    get: 'pull',
    sync: 'mirror',
    copy: 'push',
  },
  symlinks: { copy: 'follow', links: 'preserve', ignore: 'skip' },
  compare: { hash: 'checksum', content: 'checksum', time: 'mtime', once: 'size' },
};

/** The value to use for one of an older draft or another tool; undefined if there is none. */
export function ourValue(key: string, value: unknown): string | undefined {
  const known = values[key];
  return known !== undefined && typeof value === 'string' && Object.hasOwn(known, value)
    ? known[value]
    : undefined;
}
