/** The kinds of values in jobs.yml, a schema for each, with a message that says what is allowed. schema.ts gives each key its kind. */
import { createRequire } from 'node:module';
import { z } from 'zod';
import { cronFields, cronNames, isAtStart } from '../../core/cron.js';
import { bareHost, isIPv6 } from '../../core/host.js';
import { parseHours } from '../../core/hours.js';
import { isWorkerName, namePattern } from '../../core/job.js';
import { parseQueueUrl } from '../../core/queue-url.js';
import { remembered } from '../../core/remember.js';
import { ourValue, type WordPlace } from './foreign-words.js';
import { isHostKey } from './host-key.js';
import { isPlanned } from './planned.js';
import {
  durationPattern,
  modePattern,
  parseDuration,
  parseRate,
  parseSize,
  percentPattern,
  ratePattern,
  sizePattern,
} from './units.js';

// for a file that is read once, compiling the checks takes longer than it saves
z.config({ jitless: true });

/** Different schedules and zones that are remembered: a time zone takes Intl 0.15 ms. */
const mostTexts = 10_000;

const require = createRequire(import.meta.url);
/** Whether node-cron accepts it; loaded for the first schedule, since it takes time. */
const isSchedule = remembered(mostTexts, (text) =>
  (require('node-cron') as typeof import('node-cron')).validate(text),
);

/** What a kind of values is called in the reference; kinds that are not here are described by their form. */
export const kinds = z.registry<{ readonly words: string }>();

/** A map of these keys and no others. `place` selects the words of other tools. issues.ts words the error from the JSON message. */
export function section<S extends z.ZodRawShape>(shape: S, place?: WordPlace) {
  const known = JSON.stringify({
    known: Object.keys(shape).filter((key) => !isPlanned(shape[key])),
    place,
  });
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined),
  });
}

const oneLine = /^[^\0\r\n]+$/;
export const line = z
  .string()
  .refine((text) => oneLine.test(text), 'must be one line of text that is not empty')
  .register(kinds, { words: 'one line of text' });

/** One of these words; the error for a word of another tool names ours. */
export const oneOf = <const T extends readonly string[]>(key: string, allowed: T) =>
  z.enum(allowed, {
    error: (issue) => {
      const ours = ourValue(key, issue.input);
      return ours === undefined ? undefined : `is not a value of ${key}; write ${ours}`;
    },
  });

export const name = z
  .string()
  .regex(namePattern, 'must be a name: a letter, then up to 63 letters, digits, ".", "_" or "-"')
  .register(kinds, { words: 'a name' });

/** One that its queues begin with, up to the first "-": no two installations have a queue in common. */
export const installationName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_]{0,31}$/,
    'must be a name: a letter, then up to 31 letters, digits or "_"',
  )
  .register(kinds, { words: 'a name without "-" and "."' });

export const workerName = name
  .refine(isWorkerName, 'is a name that ferryline uses itself; choose another')
  .register(kinds, { words: 'a name' });

export const oneOrMore = <T extends z.ZodType>(item: T, what: string) => {
  const schema = z.union([item, z.array(item)], { error: `must be ${what}, or a list of them` });
  kinds.add(schema as z.ZodType, { words: `${what}, or a list of them` });
  return schema;
};

/** The longest wait: a timer of Node takes at most 2^31 - 1 ms, a little more. A longer one is refused. */
export const longestWait = { ms: 24 * 86_400_000, text: '24d' };
/** The longest age, a hundred years. A longer one is refused. */
export const longestAge = { ms: 36_500 * 86_400_000, text: '36500d' };

export function duration(longest: typeof longestWait, zero = false) {
  const message = `must be a time with its unit, such as 500ms, 30s, 15m, 2h or 7d`;
  return z
    .string({ error: message })
    .regex(durationPattern, message)
    .refine((text) => (parseDuration(text) ?? Number.POSITIVE_INFINITY) <= longest.ms, {
      error: `must be at most ${longest.text}`,
    })
    .refine((text) => zero || parseDuration(text) !== 0, { error: 'must be more than 0' })
    .register(kinds, { words: 'a time with its unit, such as 500ms, 30s, 15m, 2h or 7d' });
}

const sizeMessage = 'must be a size such as 10MiB, 500kB or a number of bytes';
export const size = z
  .union(
    [
      z.int().nonnegative(),
      z
        .string()
        .regex(sizePattern, sizeMessage)
        .refine((text) => parseSize(text) !== undefined, sizeMessage),
    ],
    { error: sizeMessage },
  )
  .register(kinds, { words: 'a size such as 10MiB or 500kB, or a number of bytes' });

const rateMessage = 'must be a rate with its unit, such as 20MiB/s, 500kB/s or 20Mbit/s';
const rate = z
  .string({ error: rateMessage })
  .regex(ratePattern, rateMessage)
  .refine((text) => parseRate(text) !== undefined, 'must be more than 0 bytes a second')
  .register(kinds, { words: 'a rate with its unit, such as 20MiB/s or 20Mbit/s' });

const hoursMessage = 'must be hours such as "Mon-Fri 08:00-18:00", "22:00-06:00" or "Sat,Sun"';
export const hours = z
  .string({ error: `${hoursMessage}; quote it` })
  .superRefine((text, context) => {
    const found = parseHours(text);
    if (typeof found === 'string') context.addIssue({ code: 'custom', message: found });
  })
  .register(kinds, { words: 'hours of the week such as "Mon-Fri 08:00-18:00"' });

/** A limit in bytes a second: one for all times, or one that depends on the hours of the week. */
export const bandwidth = z.union(
  [
    rate,
    section({
      rate: rate
        .optional()
        .describe('Limit outside all windows. Default: no limit.')
        .meta({ examples: ['20MiB/s'] }),
      windows: z
        .array(
          section({
            hours: hours
              .describe('When the limit applies, such as "Mon-Fri 08:00-18:00".')
              .meta({ examples: ['Mon-Fri 08:00-18:00'] }),
            rate: rate
              .describe('Limit in that time, such as 2MiB/s or 20Mbit/s.')
              .meta({ examples: ['2MiB/s'] }),
          }),
        )
        .min(1, 'must name at least one window')
        .describe(
          'Limits by the hours of the week; the first window that contains the time applies.',
        )
        .meta({ examples: [[{ hours: 'Mon-Fri 08:00-18:00', rate: '2MiB/s' }]] }),
    }),
  ],
  { error: `${rateMessage}, or a map of rate and windows` },
);

const shareMessage = 'must be a share from 0% to 100%, such as 50%, or a number of files';
export const shareOrCount = z
  .union([z.int().nonnegative(), z.string().regex(percentPattern, shareMessage)], {
    error: shareMessage,
  })
  .register(kinds, { words: 'a share such as 20%, or a number of files' });

const modeMessage = 'must be octal permission bits without set-id bits, in quotes, such as "0644"';
export const mode = z
  .string({ error: `${modeMessage}; quote it` })
  .regex(modePattern, modeMessage)
  .register(kinds, { words: 'permission bits in quotes' });

const pattern = z
  .string()
  .refine((text) => oneLine.test(text), 'must be a pattern, one line that is not empty')
  .refine((text) => !text.startsWith('!'), 'starts with "!", which is not allowed; use include')
  .refine(
    (text) => !text.startsWith('#'),
    'starts with "#", which makes a pattern a comment; write "\\#"',
  )
  .refine((text) => !/^\/*\s*$/.test(text), 'matches nothing');
export const patterns = oneOrMore(pattern, 'a pattern');

export const inner = line
  .refine((text) => !text.startsWith('/'), 'must be a path below the root, without a leading "/"')
  .refine((text) => !text.split('/').includes('..'), 'must not contain ".."')
  .refine((text) => text.split('/').some((part) => part !== '' && part !== '.'), {
    error: 'must name something below the root, not the root itself',
  })
  .register(kinds, { words: 'a path below the root' });

const dateMessage = '"{date:…}" is not in this version';
export const location = line
  .refine((text) => !text.includes('{date:'), dateMessage)
  .register(kinds, { words: 'a local path, or REMOTE:path' });

export const schedule = z
  .string()
  .refine((text) => !isAtStart(text), {
    error:
      'names the start of the machine, which is no time; to run once at each start, have the service manager call `ferryline enqueue JOB`',
    abort: true,
  })
  .refine((text) => [5, 6].includes(cronFields(text).length), {
    error: `must be a cron expression of 5 fields, or 6 with seconds first, or one of ${cronNames.join(', ')}`,
    abort: true,
  })
  .refine((text) => isSchedule(cronFields(text).join(' ')), {
    error:
      'is not a valid cron expression; its fields are minute hour day-of-month month day-of-week',
  })
  .register(kinds, { words: 'a cron expression' });

const isTimezone = remembered(mostTexts, (text) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
});

export const timezone = line
  .refine(isTimezone, 'must be a time zone such as Europe/Berlin or UTC')
  .register(kinds, { words: 'a time zone' });

export const hostKey = z
  .string()
  .refine(
    isHostKey,
    'must be a fingerprint such as SHA256:… (43 characters) or a public key such as "ssh-ed25519 AAAA…"',
  );

/** A program and its arguments. */
export function command(example: string) {
  const message = `must be a list of a program and its arguments, such as ${example}; no shell reads it`;
  return z
    .array(z.string(), { error: message })
    .min(1, message)
    .refine(([program]) => program !== '', 'must begin with the name of a program')
    .refine((parts) => parts.every((part) => !part.includes('\0')), 'contains a NUL character')
    .register(kinds, { words: 'a list of a program and its arguments' });
}

/** The name of an environment variable that is not one of ferryline's own. */
export const variableName = z
  .string()
  .regex(
    /^(?!FERRYLINE_)[A-Za-z_][A-Za-z0-9_]*$/,
    'must be the name of an environment variable, such as PGHOST',
  )
  .register(kinds, { words: 'the name of an environment variable' });

export const host = z
  .string()
  .superRefine((text, context) => {
    const wrong = hostProblem(text);
    if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
  })
  .meta({ pattern: '^[^\\s@/]+$' })
  .register(kinds, { words: 'a host name or address' });

/** Why a text is no host, with what to write instead. An IPv6 address may have brackets. */
function hostProblem(text: string): string | undefined {
  const bare = bareHost(text);
  const user = /^[^@]+@(.+)$/.exec(bare)?.[1];
  if (user !== undefined)
    return `names a user, too; write the user as "username", and "host: ${user}"`;
  const withPort = /^(\[[^\]]+\]|[^:\s/]+):(\d+)$/.exec(text);
  if (withPort !== null)
    return `has a port; write "host: ${bareHost(withPort[1] ?? '')}" and "port: ${withPort[2]}"`;
  if (/^[a-z]+:\/\//i.test(text))
    return 'is a URL; write its host here, and its port and user as "port" and "username"';
  const isName = /^[^\s@/:[\]\0-][^\s@/:[\]\0]*$/.test(bare);
  if (isName || isIPv6(bare)) return undefined;
  return bare.includes(':') || /[[\]]/.test(bare)
    ? 'is no IPv6 address and no host name; write the port as "port"'
    : 'must be a host name or address, without user, port or path';
}

export const queue = z
  .string()
  .regex(/^(?:embedded|(?:rediss?(?:\+sentinel|\+cluster)?|postgres|postgresql):\/\/.+)$/, {
    error:
      'must be embedded, or a URL that starts with redis://, rediss://, redis+sentinel://, redis+cluster:// or postgres://',
    abort: true,
  })
  .refine((text) => text === 'embedded' || parseQueueUrl(text) !== undefined, {
    error:
      'is a URL without a valid host and port; write redis://USER:PASSWORD@HOST:PORT, an IPv6 address in brackets',
  })
  .register(kinds, { words: 'embedded, or a URL' });
