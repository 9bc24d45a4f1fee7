/** Samples of the daemon's cases, and the tables they become. Pure but for the wait. */
import { type FSWatcher, watch } from 'node:fs';
import { median } from './report.js';

/** The value that the given part of all values doesn't exceed. */
function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

/** `median`, `p99`, least and greatest as cells of a table, in whole milliseconds. */
export function cells(values: readonly number[]): string {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  return `**${ms(median(values))}** | ${ms(percentile(values, 0.99))} | ${ms(least)}–${ms(greatest)} | ${values.length}`;
}

export const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)}`;

export function verdict(met: boolean): string {
  return met ? 'met' : '**missed**';
}

/** What happens in a folder, as inotify tells: `rename` when a name comes, `change` when a file is written. */
export interface Onlooker {
  /** Resolves with the moment of the next event that fits. Rejects after 30 s. */
  next(fits: (kind: string, name: string) => boolean): Promise<number>;
  close(): void;
}

export function lookAt(folder: string): Onlooker {
  const waiting = new Set<(kind: string, name: string) => void>();
  const watcher: FSWatcher = watch(folder, (kind, name) => {
    for (const one of [...waiting]) one(kind, name ?? '');
  });
  return {
    next: (fits) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`nothing of the kind happened in ${folder} for 30 s`)),
          30_000,
        );
        const look = (kind: string, name: string) => {
          if (!fits(kind, name)) return;
          waiting.delete(look);
          clearTimeout(timer);
          resolve(performance.now());
        };
        waiting.add(look);
      }),
    close: () => watcher.close(),
  };
}
