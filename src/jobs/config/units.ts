/** Text that means a number in jobs.yml: durations, sizes, rates, modes and shares. */

/** A duration: `500ms`, `30s`, `15m`, `2h`, `30d`, `1w`, `1h30m`. */
export const durationPattern = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d|w))+$/;
/** A size: `0`, `512`, `10MiB`, `1.5 GB`, `64K`. */
export const sizePattern = /^\d{1,15}(?:\.\d{1,3})? ?(?:[KMGT]i?B?|k|kB|B)?$/;
/** A rate: a size with its unit, with or without `/s`, or bits a second: `20MiB/s`, `500K`, `20Mbit/s`. */
export const ratePattern =
  /^\d{1,15}(?:\.\d{1,3})? ?(?:(?:[KMGT]i?B?|k|kB|B)(?:\/s)?|[kMG]?bit\/s)$/;
/** Permission bits without set-id and sticky: `0644`, `755`. */
export const modePattern = /^0?[0-7]{3}$/;
/** A share: `50%`, `0.5%`, `100%`. */
export const percentPattern = /^(?:100|\d{1,2}(?:\.\d{1,3})?)%$/;

const milliseconds: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const powers = 'KMGT';

/** Milliseconds of a duration, rounded; undefined when the text is not one. */
export function parseDuration(text: string): number | undefined {
  if (!durationPattern.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-z]+)/g)) {
    total += Number(amount) * (milliseconds[unit ?? ''] ?? Number.NaN);
  }
  return safe(Math.round(total));
}

/**
 * Bytes of a size; undefined when the value is not one. `KiB`, `MiB` … and the bare letters `K`, `M` … are
 * powers of 1024 (as in rclone and rsync), `kB`, `KB`, `MB` … powers of 1000. A number counts bytes.
 */
export function parseSize(value: string | number): number | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (!sizePattern.test(value)) return undefined;
  const [, amount = '', unit = ''] = /^([\d.]+) ?(.*)$/.exec(value) ?? [];
  const power = unit === '' ? 0 : powers.indexOf(unit.charAt(0).toUpperCase()) + 1;
  const base = unit.length === 2 && unit.endsWith('B') ? 1000 : 1024;
  return safe(Math.round(Number(amount) * (power === 0 ? 1 : base ** power)));
}

/** Bytes a second of a rate; undefined when the text is not one or means zero. */
export function parseRate(text: string): number | undefined {
  if (!ratePattern.test(text)) return undefined;
  const bits = /^([\d.]+) ?([kMG]?)bit\/s$/.exec(text);
  const rate =
    bits === null
      ? parseSize(text.replace(/\/s$/, ''))
      : safe(
          Math.round((Number(bits[1]) * 1000 ** ['', 'k', 'M', 'G'].indexOf(bits[2] ?? '')) / 8),
        );
  return rate === 0 ? undefined : rate;
}

/** Permission bits of `0644` or `644`; undefined for anything else, also for set-id bits. */
export function parseMode(text: string): number | undefined {
  return modePattern.test(text) ? Number.parseInt(text, 8) : undefined;
}

/** 50 of `50%`, from 0 to 100; undefined when the text is not a share. */
export function parsePercent(text: string): number | undefined {
  return percentPattern.test(text) ? Number(text.slice(0, -1)) : undefined;
}

function safe(value: number): number | undefined {
  return Number.isSafeInteger(value) ? value : undefined;
}
