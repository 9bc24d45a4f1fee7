/** Of what of an incident a channel is to be notified at a moment: pure. Moments are ms since the epoch. */
import { isWithin } from '../core/hours.js';
import type { Incident, Told } from '../core/incident.js';
import type { Channel } from '../core/notify.js';
import { zoneNamed } from '../core/zone.js';
import { withStep } from './judge.js';

/** A step of an incident of which a channel was not notified. */
export interface Owed {
  readonly incident: Incident;
  /** `opened`, `recovered`, or `reminded-N`. */
  readonly step: string;
  /** Since when. */
  readonly since: number;
}

const dayMs = 86_400_000;
/** Failures within a day that count as many in a row. */
const manyInADay = 3;

function isQuiet({ quiet }: Pick<Channel, 'quiet'>, now: number): boolean {
  return quiet !== undefined && isWithin(quiet.hours, zoneNamed(quiet.timezone).wall(now));
}

/** When the channel's number of failures was reached; `earlier`: moments at which the same occurred before, in incidents that have ended. */
function reachedAt(
  { times, openedAt, count, cause }: Incident,
  { failures }: Channel,
  earlier: readonly number[],
): number | undefined {
  const counts = cause === 'failed' || cause === 'incomplete' || cause === 'refused';
  if (failures === 1 || !counts) return openedAt;
  if (count >= failures) return times.at(-(count - failures + 1)) ?? openedAt;
  const all = [...earlier, ...times].sort((one, other) => one - other);
  return times.find((at) => {
    const within = all.filter((one) => one <= at && one > at - dayMs);
    return within.length >= manyInADay;
  });
}

/** What the channel is owed of an incident; undefined: nothing. Whether it is silenced is the caller's to know. */
export function owedOf(
  incident: Incident,
  channel: Channel,
  now: number,
  earlier: readonly number[] = [],
): Owed | undefined {
  const { closedAt, acknowledged } = incident;
  const told: Told | undefined = incident.told[channel.name];
  if (told?.recovered !== undefined || told?.dropped === true) return undefined;
  if (told === undefined) {
    if (!channel.on.has(incident.cause)) return undefined;
    const reached = reachedAt(incident, channel, earlier);
    if (reached === undefined) return undefined;
    const since = Math.max(reached, incident.openedAt + channel.wait);
    // What has ended, or is in somebody's hands, needs no escalation.
    if (channel.wait > 0 && (closedAt !== undefined || acknowledged !== undefined))
      return undefined;
    return now < since ? undefined : { incident, step: 'opened', since };
  }
  if (closedAt !== undefined)
    return channel.on.has('recovered')
      ? { incident, step: 'recovered', since: closedAt }
      : undefined;
  if (acknowledged !== undefined || channel.remind === undefined) return undefined;
  const since = told.at + channel.remind;
  const step = `reminded-${(told.reminders ?? 0) + 1}`;
  return now < since ? undefined : { incident, step, since };
}

/** What goes out in one message now: everything that is owed, once the first of it has waited for others. */
export function due(
  owed: readonly Owed[],
  channel: Pick<Channel, 'group' | 'quiet'>,
  now: number,
): readonly Owed[] {
  if (owed.length === 0 || isQuiet(channel, now)) return [];
  const first = Math.min(...owed.map(({ since }) => since));
  if (now < first + channel.group) return [];
  return [...owed].sort((one, other) => one.since - other.since);
}

/** The incident once a message has notified a channel of that step of it. */
export function afterTelling(
  incident: Incident,
  channel: string,
  step: string,
  message: string,
  at: number,
): Incident {
  const before = incident.told[channel];
  const told: Told =
    step === 'opened' || before === undefined
      ? { at, message }
      : step === 'recovered'
        ? { ...before, recovered: at }
        : { ...before, at, reminders: Number(step.split('-')[1]) };
  const kind = step.startsWith('reminded') ? 'reminded' : 'told';
  return {
    ...incident,
    told: { ...incident.told, [channel]: told },
    steps: withStep(incident.steps, { at, step: kind, channel }),
  };
}
