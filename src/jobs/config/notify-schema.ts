/** The keys `notify` and `heartbeat`: their form, and what becomes of them. */
import { z } from 'zod';
import { anyOf, parseHours } from '../../core/hours.js';
import {
  type Channel,
  type ChannelTarget,
  type Heartbeat,
  noticeWords,
  webhookFormats,
} from '../../core/notify.js';
import { escapeText } from '../../core/text.js';
import {
  duration,
  hours,
  kinds,
  longestWait,
  oneOf,
  oneOrMore,
  section,
  timezone,
} from './fields.js';
import type { WithOff } from './off.js';
import { type ConfigProblems, didYouMean } from './problems.js';
import { entriesOf, isMap, listOf, type PlainMap } from './shapes.js';
import { parseDuration } from './units.js';

const webMessage = 'must be an address that begins with https:// or http://';
const web = z
  .string({ error: webMessage })
  .refine((text) => isAddress(text, ['http:', 'https:']), webMessage)
  .register(kinds, { words: 'an address that begins with https:// or http://' });

const smtpMessage =
  'must be the address of a mail server, such as smtps://USER:PASSWORD@mail.example or smtp://mail.example:587';
const smtp = z
  .string({ error: smtpMessage })
  .refine((text) => isAddress(text, ['smtp:', 'smtps:']), smtpMessage)
  .register(kinds, { words: 'an address that begins with smtp:// or smtps://' });

const mailMessage = 'must be an e-mail address such as ops@example.com';
const mail = z
  .string({ error: mailMessage })
  .regex(/^[^\s@<>,;:"()[\]\\]+@[^\s@<>,;:"()[\]\\]+$/, mailMessage)
  .register(kinds, { words: 'an e-mail address' });

const signingSecret = z
  .string()
  .min(
    20,
    'has fewer than 20 characters, so it could be guessed; `openssl rand -base64 24` makes one',
  )
  .max(512, 'has more than 512 characters')
  .register(kinds, { words: 'text of at least 20 characters' });

/** Keys of a channel. */
export const channel = section({
  webhook: web
    .optional()
    .describe(
      'Address to which messages are posted. A channel has one of webhook, email and healthchecks. Default: none.',
    )
    .meta({ examples: ['https://hooks.example/ferryline'] }),
  format: oneOf('format', webhookFormats)
    .optional()
    .describe(
      'What is posted. generic: JSON with the headers of Standard Webhooks; slack: for Slack and Mattermost; ntfy: for a topic of ntfy. Default: generic.',
    )
    .meta({ default: 'generic', examples: ['slack'] }),
  secret: signingSecret
    .optional()
    .describe(
      'Signs the messages of the format generic (webhook-signature); one that begins with whsec_ is base64. Default: unsigned.',
    )
    .meta({ examples: ['${file:/etc/ferryline/webhook.secret}'] }),
  email: oneOrMore(mail, 'an e-mail address')
    .optional()
    .describe('Addresses to which messages are mailed; needs smtp. Default: none.')
    .meta({ examples: [['ops@example.com']] }),
  smtp: smtp
    .optional()
    .describe('The mail server, with user and password where it asks for them. Default: none.')
    .meta({ examples: ['smtps://mail.example'] }),
  from: mail
    .optional()
    .describe('The sender of e-mail. Default: ferryline at this host.')
    .meta({ examples: ['ferryline@example.com'] }),
  healthchecks: web
    .optional()
    .describe(
      'Address of a check of Healthchecks, which each run pings when it starts and ends; {job} is the name of the job. Default: none.',
    )
    .meta({ examples: ['https://hc-ping.com/KEY/{job}'] }),
  on: oneOrMore(oneOf('on', noticeWords), 'what to tell')
    .optional()
    .describe(
      'What the channel is notified of. A word of a later version is taken, and means nothing yet. Default: everything.',
    )
    .meta({ examples: [['failed', 'missed', 'stale', 'recovered']] }),
  failures: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe(
      'Failures in a row before the channel is notified; three within 24 h count, too. Default: 1.',
    )
    .meta({ default: 1, examples: [3] }),
  wait: duration(longestWait, true)
    .optional()
    .describe(
      'The channel is notified only of what is still open, and not acknowledged, after this time: escalation. Default: 0s.',
    )
    .meta({ default: '0s', examples: ['30m'] }),
  remind: duration(longestWait)
    .optional()
    .describe(
      'Time between two messages about what is open and not acknowledged; false: one message. Default: 24h.',
    )
    .meta({ default: '24h', examples: ['4h'] }),
  group: duration(longestWait, true)
    .optional()
    .describe('How long a message waits for others, so that they become one. Default: 60s.')
    .meta({ default: '60s', examples: ['5m'] }),
  quiet: section({
    hours: oneOrMore(hours, 'hours such as "22:00-06:00"')
      .describe('When messages wait; they come as one afterwards.')
      .meta({ examples: ['22:00-06:00'] }),
    timezone: timezone
      .optional()
      .describe("Time zone of these hours. Default: the system's.")
      .meta({ examples: ['Europe/Berlin'] }),
  })
    .optional()
    .describe('Hours in which the channel is not notified. Default: none.')
    .meta({ examples: [{ hours: '22:00-06:00' }] }),
});

export const heartbeat = section({
  healthchecks: web
    .describe('Address of a check of Healthchecks.')
    .meta({ examples: ['https://hc-ping.com/UUID'] }),
  every: duration(longestWait)
    .optional()
    .describe('Time between two pings. Default: 5m.')
    .meta({ default: '5m', examples: ['1m'] }),
});

type RawChannel = WithOff<z.infer<typeof channel>>;
type RawNotify = Readonly<Record<string, RawChannel>> | undefined;
type RawHeartbeat = WithOff<z.infer<typeof heartbeat>> | false | undefined;

/** The channels by name; one that says not where to is a problem of jobs.yml. */
export function normaliseNotify(raw: RawNotify, problems: ConfigProblems): Map<string, Channel> {
  const channels = new Map<string, Channel>();
  for (const [name, keys] of entriesOf(raw)) {
    if (problems.under('notify', name)) continue;
    const target = targetOf(name, keys, problems);
    if (target === undefined) continue;
    channels.set(name, {
      name,
      target,
      on: new Set(keys.on ? listOf(keys.on) : noticeWords),
      failures: keys.failures || 1,
      wait: timeOf(keys.wait) ?? 0,
      remind: keys.remind === false ? undefined : (timeOf(keys.remind) ?? 86_400_000),
      group: keys.group === false ? 0 : (timeOf(keys.group) ?? 60_000),
      quiet: quietOf(keys.quiet),
    });
  }
  return channels;
}

export function normaliseHeartbeat(raw: RawHeartbeat): Heartbeat | undefined {
  if (!isMap(raw) || typeof raw.healthchecks !== 'string') return undefined;
  return { url: raw.healthchecks, every: timeOf(raw.every) ?? 300_000 };
}

const kindsOfTarget = ['webhook', 'email', 'healthchecks'] as const;
/** Keys that mean nothing without another one. */
const belongsTo: Readonly<Record<string, (typeof kindsOfTarget)[number]>> = {
  format: 'webhook',
  secret: 'webhook',
  smtp: 'email',
  from: 'email',
};

function targetOf(
  name: string,
  keys: RawChannel,
  problems: ConfigProblems,
): ChannelTarget | undefined {
  const report = (key: string | undefined, message: string) => {
    problems.add({ path: ['notify', name, ...(key === undefined ? [] : [key])], message });
    return undefined;
  };
  const given = kindsOfTarget.filter((kind) => keys[kind]);
  const [kind, other] = given;
  if (kind === undefined)
    return report(undefined, 'says not where messages go; add webhook, email or healthchecks');
  if (other !== undefined)
    return report(other, `can't be used with ${kind}; make it a channel of its own`);
  for (const [key, owner] of Object.entries(belongsTo))
    if (keys[key as keyof RawChannel] && owner !== kind)
      return report(key, `is a key of ${owner}, and this channel has ${kind}`);
  if (keys.healthchecks) return { kind: 'healthchecks', url: keys.healthchecks };
  if (keys.email) {
    if (!keys.smtp)
      return report(
        'email',
        'needs "smtp", the address of a mail server, such as smtps://mail.example',
      );
    return { kind: 'email', to: listOf(keys.email), smtp: keys.smtp, from: keys.from || undefined };
  }
  const format = keys.format || 'generic';
  if (keys.secret && format !== 'generic')
    return report('secret', `signs the format generic, and this channel has ${format}`);
  return { kind: 'webhook', url: keys.webhook || '', format, secret: keys.secret || undefined };
}

function quietOf(raw: RawChannel['quiet']): Channel['quiet'] {
  if (!raw) return undefined;
  const found = listOf(raw.hours).map(parseHours);
  const hours = anyOf(found.filter((one) => typeof one !== 'string'));
  return { hours, timezone: raw.timezone || undefined };
}

/** Reports the channels that jobs name and `notify` does not have. */
export function checkChannelNames(
  raw: {
    readonly jobs?: PlainMap | undefined;
    readonly defaults?: { readonly jobs?: unknown } | undefined;
  },
  channels: Readonly<Record<string, unknown>> | undefined,
  problems: ConfigProblems,
): void {
  const known = entriesOf(channels).map(([name]) => name);
  const check = (path: readonly string[], keys: unknown) => {
    if (!isMap(keys) || typeof keys.notify === 'boolean') return;
    for (const name of listOf(keys.notify as string | string[] | undefined)) {
      if (known.includes(name)) continue;
      const allowed = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
      const message = `names a channel that "notify" does not have, "${escapeText(name)}"${didYouMean(name, known)}; ${allowed}`;
      problems.add({ path: [...path, 'notify'], message });
    }
  };
  for (const [job, keys] of entriesOf(raw.jobs)) check(['jobs', job], keys);
  check(['defaults', 'jobs'], raw.defaults?.jobs);
}

function timeOf(text: string | false | undefined): number | undefined {
  return text ? parseDuration(text) : undefined;
}

function isAddress(text: string, protocols: readonly string[]): boolean {
  if (/\s/.test(text)) return false;
  const url = text.replaceAll('{job}', 'job');
  return URL.canParse(url) && protocols.includes(new URL(url).protocol) && new URL(url).host !== '';
}
