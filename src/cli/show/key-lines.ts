/** A key of jobs.yml, as `ferryline schema KEY` explains it. */
import type { FoundKey } from '../../jobs/config/find-keys.js';
import { tableLines } from './table.js';

/** Its lines: what it does, what it takes, its default, examples, and the keys below it. */
export function keyLines({ key, below }: FoundKey): string[] {
  const { name, text, takes, since, examples, planned } = key;
  if (planned) return [name, `  planned, and refused so far: ${text}`];
  const about = [
    ['takes', takes],
    ['default', key.default ?? 'none: it is required'],
    ['since', since],
    ...examples.map((example, at) => [at === 0 ? 'example' : '', example]),
  ];
  const inner = tableLines(below.map((other) => [other.name, other.text]));
  return [
    name,
    `  ${text}`,
    ...tableLines(about).map((line) => `  ${line}`),
    ...(inner.length === 0 ? [] : ['  below it', ...inner.map((line) => `    ${line}`)]),
  ];
}
