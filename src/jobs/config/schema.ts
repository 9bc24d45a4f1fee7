/**
 * What jobs.yml may contain: every key, its values and its default, described for people and editors.
 * Each value is checked by itself; checks.ts has the rules between keys, and normalise.ts converts
 * the values and fills in defaults. The keys of a job are in job-schema.ts, those of a remote in
 * remote-schema.ts.
 */
import { z } from 'zod';
import { api } from './api-schema.js';
import { forEditors } from './editor-schema.js';
import {
  bandwidth,
  command,
  installationName,
  line,
  name,
  oneOrMore,
  queue,
  section,
} from './fields.js';
import { job, jobDefaults } from './job-schema.js';
import { channel, heartbeat } from './notify-schema.js';
import { planned } from './planned.js';
import { remote, remoteDefaults } from './remote-schema.js';

export const config = section(
  {
    queue: queue
      .optional()
      .describe(
        'Where the queue of runs is stored: embedded, redis://…, rediss://…, redis+sentinel://…, redis+cluster://… or postgres://…; the variable FERRYLINE_QUEUE overrides it. Default: embedded.',
      )
      .meta({ default: 'embedded', examples: ['redis://queue.example:6379'] }),
    name: installationName
      .optional()
      .describe(
        'Name of the installation, which all its queues on a Redis or PostgreSQL begin with: two installations of different names can share one. Default: ferryline.',
      )
      .meta({ default: 'ferryline', examples: ['acme'] }),
    stateDir: line
      .optional()
      .describe(
        'Folder for reports, logs and the embedded queue, absolute or below the folder of jobs.yml; FERRYLINE_STATE_DIR and STATE_DIRECTORY override it. Default: a folder of its own below ~/.local/state/ferryline.',
      )
      .meta({ examples: ['/var/lib/ferryline'] }),
    bandwidth: bandwidth
      .optional()
      .describe(
        'Bandwidth limit of all jobs of one process together, such as 50MiB/s, or by hours. Default: no limit.',
      )
      .meta({ examples: ['50MiB/s'] }),
    remotes: z
      .record(name, remote)
      .optional()
      .describe('SFTP servers, by name. Default: none.')
      .meta({ examples: [{ archive: { host: 'backup.example' } }] }),
    groups: z
      .record(name, oneOrMore(name, 'the name of a remote'))
      .optional()
      .describe(
        'Groups of remotes, by name: from and to of a job may name one as GROUP:path. Default: none.',
      )
      .meta({ examples: [{ web: ['web1', 'web2'] }] }),
    defaults: section(
      {
        remotes: remoteDefaults
          .optional()
          .describe('Keys of every remote, except host. Default: none.')
          .meta({ examples: [{ username: 'backup' }] }),
        jobs: jobDefaults
          .optional()
          .describe('Keys of every job, except operation, from and to. Default: none.')
          .meta({ examples: [{ trash: true }] }),
      },
      'defaults',
    )
      .optional()
      .describe(
        'Keys for every remote and every job. A job or remote that sets the same key overrides it: maps merge, lists replace, false removes it. Default: none.',
      )
      .meta({ examples: [{ jobs: { trash: true } }] }),
    jobs: z
      .record(name, job)
      .optional()
      .describe('Jobs, by name. Default: none.')
      .meta({
        examples: [{ nightly: { operation: 'mirror', from: './data', to: 'archive:data' } }],
      }),
    secrets: z
      .record(name, command('[vault, kv, get, -field=pw, kv/bank]'))
      .optional()
      .describe(
        'Commands that print secrets, each as a list of the program and its arguments, without a shell. "${secret:NAME}" in a password or passphrase runs one at each login and takes what it prints. Default: none.',
      )
      .meta({ examples: [{ bank: ['vault', 'kv', 'get', '-field=pw', 'kv/bank'] }] }),
    api: api
      .optional()
      .describe(
        'The HTTP API for other programs: where it listens, and who may use it. `false`: none over TCP. Default: on 127.0.0.1:7022, where only /healthz and /readyz answer.',
      )
      .meta({
        examples: [
          { tokens: { wall: { role: 'view', token: '${file:/etc/ferryline/wall.token}' } } },
        ],
      }),
    notify: z
      .record(name, channel)
      .optional()
      .describe('Channels that are notified of incidents, by name. Default: none.')
      .meta({
        examples: [
          { ops: { webhook: 'https://hooks.example/ferryline', format: 'slack' } },
          { mail: { email: ['ops@example.com'], smtp: 'smtps://mail.example' } },
        ],
      }),
    heartbeat: heartbeat
      .optional()
      .describe(
        'A check that is pinged while a scheduler, the queue and a worker are alive: a daemon that is dead can tell nobody. Default: none.',
      )
      .meta({ examples: [{ healthchecks: 'https://hc-ping.com/UUID', every: '5m' }] }),
    holidays: planned("files of dates that a job's schedule leaves out."),
  },
  'top',
);

/** jobs.yml as written, after the check. */
export type RawConfig = z.infer<typeof config>;

/** The schema for editors (JSON Schema, draft 7), committed as jobs.schema.json. */
export function jsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(config, { io: 'input', target: 'draft-07' });
  return { $schema, title: 'ferryline jobs.yml', ...forEditors(schema) };
}
