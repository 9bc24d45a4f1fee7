/**
 * Cron expressions, read by node-cron and matched against walls (zone.ts), so without zones and DST.
 * Numbers are compared with the fields that node-cron parsed, which is fast; node-cron's `match`
 * decides only on days that need more than numbers (`L`, `15W`, `5#2`).
 */
import { createTask, parse } from 'node-cron';
import { cronFields } from '../../core/cron.js';

export interface Expression {
  /** Its hour field doesn't start with `*`: it means a time of day, not an interval. */
  readonly fixedHour: boolean;
  /** The first matching wall in [from, until); `from` is a whole second. */
  first(from: number, until: number): number | undefined;
}

const dayMs = 86_400_000;

/**
 * Reads an expression as one or two that together have its meaning: when neither day-of-month nor
 * day-of-week starts with `*`, cron(5) requires either to match and node-cron requires both.
 * Throws for an expression that node-cron's `validate` refuses.
 */
export function readExpression(text: string): readonly Expression[] {
  const fields = cronFields(text);
  if (fields.length === 5) fields.unshift('0');
  const [second, minute, hour, dayOfMonth = '*', month, dayOfWeek = '*'] = fields;
  if (isAny(dayOfMonth) || isAny(dayOfWeek)) return [createExpression(fields.join(' '))];
  // The whole is checked first: each half may be valid when the whole is not.
  parse(fields.join(' '));
  return [
    createExpression([second, minute, hour, dayOfMonth, month, '*'].join(' ')),
    createExpression([second, minute, hour, '*', month, dayOfWeek].join(' ')),
  ];
}

function isAny(field: string): boolean {
  return field.startsWith('*') || field === '?';
}

function createExpression(text: string): Expression {
  const fields = parse(text);
  const times = { hours: fields.hour, minutes: fields.minute, seconds: fields.second };
  for (const values of Object.values(times)) values.sort((a, b) => a - b);
  const months = new Set(fields.month);
  const daysOfMonth = new Set(fields.dayOfMonth);
  const daysOfWeek = new Set(fields.dayOfWeek);
  const hasWords = [...daysOfMonth, ...daysOfWeek].some((value) => typeof value === 'string');
  const matchesWords = hasWords ? dayMatcher(text, times) : undefined;
  const matchesDay = (date: Date) => {
    const midnight = date.getTime();
    if (matchesWords !== undefined) return matchesWords(midnight);
    return daysOfMonth.has(date.getUTCDate()) && daysOfWeek.has(date.getUTCDay());
  };

  return {
    fixedHour: !(text.split(' ')[2] ?? '').startsWith('*'),
    first(from, until) {
      let next: number;
      for (let midnight = Math.floor(from / dayMs) * dayMs; midnight < until; midnight = next) {
        const date = new Date(midnight);
        const month = date.getUTCMonth();
        // A month without a match is passed over whole: five years of them cost as much as two months.
        const isMonth = months.has(month + 1);
        next = isMonth ? midnight + dayMs : Date.UTC(date.getUTCFullYear(), month + 1, 1);
        if (!isMonth || !matchesDay(date)) continue;
        const time = firstTime(times, Math.max(0, from - midnight) / 1000);
        if (time === undefined) continue;
        const wall = midnight + time * 1000;
        return wall < until ? wall : undefined;
      }
      return undefined;
    },
  };
}

/** Lets node-cron's `match` decide on a day, at the first time that the other fields allow. */
function dayMatcher(
  text: string,
  { hours: [hour = 0], minutes: [minute = 0], seconds: [second = 0] }: Times,
): (midnight: number) => boolean {
  const task = createTask(text, () => {}, { timezone: 'UTC' });
  // Only its `match` is used; destroying it removes it from node-cron's list of tasks.
  void task.destroy();
  let lastMidnight: number | undefined;
  let matches = false;
  return (midnight) => {
    if (midnight !== lastMidnight) {
      matches = task.match(new Date(midnight + ((hour * 60 + minute) * 60 + second) * 1000));
      lastMidnight = midnight;
    }
    return matches;
  };
}

interface Times {
  /** Ascending, like the others. */
  readonly hours: readonly number[];
  readonly minutes: readonly number[];
  readonly seconds: readonly number[];
}

/** The first time of the day at or after `from`, both in seconds since midnight. */
function firstTime({ hours, minutes, seconds }: Times, from: number): number | undefined {
  for (const hour of hours) {
    if ((hour + 1) * 3600 <= from) continue;
    for (const minute of minutes) {
      const start = hour * 3600 + minute * 60;
      if (start + 60 <= from) continue;
      const second = seconds.find((it) => start + it >= from);
      if (second !== undefined) return start + second;
    }
  }
  return undefined;
}
