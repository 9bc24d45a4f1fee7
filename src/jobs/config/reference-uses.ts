/** Who needs which key of jobs.yml: three tiers, of which the reference has a table each. */

interface Use {
  readonly title: string;
  readonly keys: readonly string[];
}

/** What nearly every jobs.yml has. */
export const everybody: readonly string[] = [
  ...['remotes', 'remotes.host', 'remotes.username', 'remotes.auth', 'remotes.hostKey'],
  ...['remotes.root', 'jobs', 'jobs.operation', 'jobs.from', 'jobs.to', 'jobs.schedule'],
  ...['jobs.exclude', 'jobs.delete', 'jobs.trash'],
];

/** What some uses need. A key in neither list is a rare one. */
export const uses: readonly Use[] = [
  {
    title: 'Jobs on a schedule',
    keys: [
      ...['jobs.timezone', 'jobs.catchUp', 'jobs.window', 'jobs.timeout', 'jobs.retry'],
      ...['jobs.description', 'jobs.hooks', 'queue'],
    ],
  },
  {
    title: 'Folders that are watched, and files that are handed over',
    keys: ['jobs.watch', 'jobs.settle', 'jobs.after', 'jobs.existing', 'jobs.live'],
  },
  {
    title: 'Archives and mirrors that must be right',
    keys: [
      'jobs.compare',
      'jobs.verify',
      'jobs.replace',
      'jobs.symlinks',
      'jobs.modes',
      'jobs.renames',
    ],
  },
  {
    title: 'Parts of a tree',
    keys: [
      ...['jobs.include', 'jobs.ignoreFile', 'jobs.minSize', 'jobs.maxSize', 'jobs.minAge'],
      'jobs.maxAge',
    ],
  },
  {
    title: 'Somebody is notified of what needs them',
    keys: [
      ...['notify', 'notify.webhook', 'notify.format', 'notify.email', 'notify.smtp', 'notify.on'],
      ...[
        'notify.healthchecks',
        'notify.quiet',
        'jobs.notify',
        'jobs.stale',
        'jobs.slow',
        'heartbeat',
      ],
    ],
  },
  {
    title: 'Many servers, several machines',
    keys: [
      'defaults',
      'defaults.remotes',
      'defaults.jobs',
      'groups',
      'name',
      'remotes.jump',
      'jobs.worker',
    ],
  },
  {
    title: 'Logins and lines',
    keys: [
      ...['remotes.port', 'remotes.knownHosts', 'remotes.transport', 'secrets'],
      ...['remotes.maxSessions', 'remotes.bandwidth', 'jobs.bandwidth', 'bandwidth'],
    ],
  },
];

export const firstVersion = '0.1.0';

/** The first version with a key, where that is not the first of all. */
export const since: Readonly<Record<string, string>> = {};
