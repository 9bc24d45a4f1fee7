/** What jobs.yml says of incidents and of who is notified of them. Pure. */
import type { Hours } from './hours.js';

/** What opens an incident. Those of later versions are words that `on` takes already. */
const causes = [
  'failed',
  'incomplete',
  'refused',
  'missed',
  'overdue',
  'stale',
  'slow',
  'unsure',
  'rejected',
  'system',
] as const;

/** What a channel may be notified of: that an incident is open, or that it has ended. */
export const noticeWords = [...causes, 'recovered'] as const;
export type NoticeWord = (typeof noticeWords)[number];

export const webhookFormats = ['generic', 'slack', 'ntfy'] as const;
type WebhookFormat = (typeof webhookFormats)[number];

/** Where the messages of a channel go. */
export type ChannelTarget =
  | {
      readonly kind: 'webhook';
      readonly url: string;
      readonly format: WebhookFormat;
      /** Signs the messages of the format `generic`. */
      readonly secret: string | undefined;
    }
  | {
      readonly kind: 'email';
      readonly to: readonly string[];
      /** `smtp://` or `smtps://`, with user and password where the server asks for them. */
      readonly smtp: string;
      /** Undefined: `ferryline@HOST`. */
      readonly from: string | undefined;
    }
  | {
      /** A check that each run of a job pings: `{job}` in it is the job's name. */
      readonly kind: 'healthchecks';
      readonly url: string;
    };

/** A channel of `notify`. Times in milliseconds. */
export interface Channel {
  readonly name: string;
  readonly target: ChannelTarget;
  readonly on: ReadonlySet<NoticeWord>;
  /** Failures in a row before a message; three within 24 h count, too. */
  readonly failures: number;
  /** How long an incident is open, and nobody has acknowledged it, before a message. */
  readonly wait: number;
  /** Between two messages of one open incident; undefined: there is one. */
  readonly remind: number | undefined;
  /** How long a message waits for others, which then share it. */
  readonly group: number;
  /** Hours in which messages wait, and the zone of their clock. */
  readonly quiet: { readonly hours: Hours; readonly timezone: string | undefined } | undefined;
}

export interface Heartbeat {
  /** Pinged while a scheduler, the queue and a worker are alive. */
  readonly url: string;
  /** Milliseconds. */
  readonly every: number;
}

/** Of a job: which incidents it opens, and who is notified. */
export interface IncidentRules {
  /** The names of channels; undefined: every channel. */
  readonly notify: readonly string[] | undefined;
  /** Milliseconds without a success; undefined: as its schedule has it (triggers/schedule/stale.ts); false: never. */
  readonly stale: number | false | undefined;
  /** A run is slow after this time, ms, or after so many times the median of the runs before; undefined: never. */
  readonly slow: { readonly ms: number } | { readonly times: number } | undefined;
}
