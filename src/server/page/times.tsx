/** Times and figures as the page shows them. Every time carries its zone, and one switch says which. */
import { computed, effect, signal } from '@preact/signals';
import { everyPage } from './answers.js';
import { clock } from './clock.js';

export type ZoneChoice = 'browser' | 'job' | 'utc';

const kept = localStorage.getItem('ferryline-zone');
export const zoneChoice = signal<ZoneChoice>(kept === 'job' || kept === 'utc' ? kept : 'browser');
effect(() => localStorage.setItem('ferryline-zone', zoneChoice.value));

const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zones of jobs with a schedule; asked for when somebody wants them. */
const zones = signal<ReadonlyMap<string, string>>(new Map());
let isAsked = false;
effect(() => {
  if (zoneChoice.value !== 'job' || isAsked) return;
  isAsked = true;
  everyPage<{ job: string; timezone: string }>('schedule').then(
    (items) => {
      zones.value = new Map(items.map(({ job, timezone }) => [job, timezone]));
    },
    () => {
      isAsked = false;
    },
  );
});

/** The zone in which a time of this job is shown; of no job: of the browser. */
export function zoneOf(job: string | undefined): string {
  if (zoneChoice.value === 'utc') return 'UTC';
  const own =
    job === undefined || zoneChoice.value === 'browser' ? undefined : zones.value.get(job);
  return own ?? browserZone;
}

export const zoneNames: Readonly<Record<ZoneChoice, string>> = {
  browser: `${browserZone} (this browser)`,
  job: 'each job’s own',
  utc: 'UTC',
};

const minute = computed(() => Math.floor(clock.value / 60_000) * 60_000);

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, parts: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = `${zone} ${Object.keys(parts)}`;
  let found = formats.get(name);
  if (found === undefined) {
    found = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...parts });
    formats.set(name, found);
  }
  return found;
}

const clockParts = { hour: '2-digit', minute: '2-digit', timeZoneName: 'short' } as const;
const exactParts = { ...clockParts, second: '2-digit' } as const;
const dayParts = { day: 'numeric', month: 'short', ...clockParts } as const;
const yearParts = { year: 'numeric', ...dayParts } as const;
const whole = { ...yearParts, weekday: 'short', second: '2-digit' } as const;
const date = { year: 'numeric', month: 'numeric', day: 'numeric' } as const;

/** `02:30 CET`, or with its day if that is not today. */
export function timeText(at: number, zone: string, now = minute.value): string {
  const dayOf = (moment: number) => format(zone, date).format(moment);
  if (dayOf(at) === dayOf(now)) return format(zone, clockParts).format(at);
  const isNear = Math.abs(at - now) < 300 * 86_400_000;
  return format(zone, isNear ? dayParts : yearParts).format(at);
}

function wholeTimeText(at: number, zone: string): string {
  return format(zone, whole).format(at);
}

export function Time({
  at,
  job,
  exact = false,
}: {
  readonly at: string | number | undefined;
  readonly job?: string | undefined;
  /** To the second; the day is in its title. */
  readonly exact?: boolean;
}) {
  if (at === undefined) return <span class="none">–</span>;
  const moment = typeof at === 'number' ? at : Date.parse(at);
  const zone = zoneOf(job);
  return (
    <time dateTime={new Date(moment).toISOString()} title={wholeTimeText(moment, zone)}>
      {exact ? format(zone, exactParts).format(moment) : timeText(moment, zone)}
    </time>
  );
}

/** `in 12 min`, `3 h ago`; it goes on. */
export function Ago({ at }: { readonly at: string | number }) {
  const moment = typeof at === 'number' ? at : Date.parse(at);
  const ms = moment - (Math.abs(moment - clock.value) < 60_000 ? clock.value : minute.value);
  return <span class="ago">{ms >= 0 ? `in ${spanText(ms)}` : `${spanText(-ms)} ago`}</span>;
}

/** `45 s`, `12 min`, `3 h`, `5 d`. */
export function spanText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** How long something took: `4 s`, `1 min 12 s`, `2 h 3 min`. */
export function secondsText(seconds: number): string {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function countText(count: number): string {
  return count.toLocaleString('en-GB').replaceAll(',', ' ');
}
