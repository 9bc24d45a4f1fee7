/** What is kept of a run where it was carried out, as it is read there and sent elsewhere: piece by piece. Pure. */
import type { Report } from './events.js';

/** `all`: every line of its log, of which `transcript` has the session's, and `log` the others; `report`: without its failures. */
export type RunPart = 'all' | 'log' | 'transcript' | 'plan' | 'failures' | 'report';

type LogLevel = 'info' | 'warning' | 'error';

/** The lines that a piece may have. */
export interface PieceFilter {
  /** Text in what a line says, in upper or lower case. */
  readonly q?: string;
  /** Of a log: lines of this level and of those above. */
  readonly level?: LogLevel;
  /** Of a plan: this action. Of failures: this kind. */
  readonly kind?: string;
}

export interface PieceWanted extends PieceFilter {
  readonly run: string;
  readonly part: RunPart;
  /** 0, or `next` of the piece before. */
  readonly from: number;
  /** The most lines. */
  readonly limit: number;
}

export interface Piece {
  /** Each a JSON object; together at most `mostPieceBytes`. */
  readonly lines: readonly string[];
  /** Where the piece after it begins. */
  readonly next: number;
  /** Whether it is known that there are lines after it. */
  readonly more: boolean;
}

/** Bytes of a piece's lines. */
export const mostPieceBytes = 60 * 1024;

type Line = Readonly<Record<string, unknown>>;

/** Whether a line of a log or a plan belongs into a piece. */
export function isWanted(line: Line, { part, q, level, kind }: Omit<PieceWanted, 'from'>): boolean {
  const { event, action } = line;
  if (part === 'all') return true;
  if (part === 'transcript' ? event !== 'transcript' : event === 'transcript') return false;
  if (part === 'plan' && event !== 'action') return event === 'plan' || event === 'omitted';
  if (kind !== undefined && action !== kind) return false;
  if (level !== undefined && levels.indexOf(levelOf(line)) < levels.indexOf(level)) return false;
  return q === undefined || says(line, q);
}

/** The piece of a list that is all in memory; `from` counts its items. */
export function pieceOf(
  items: readonly object[],
  { from, limit, q, kind }: Omit<PieceWanted, 'part'>,
): Piece {
  const lines: string[] = [];
  let bytes = 0;
  for (let at = from; at < items.length; at++) {
    const item = items[at] as Line;
    if (kind !== undefined && item.kind !== kind) continue;
    if (q !== undefined && !says(item, q)) continue;
    const line = JSON.stringify(item);
    bytes += Buffer.byteLength(line);
    const isFull = lines.length >= limit || (bytes > mostPieceBytes && lines.length > 0);
    if (isFull) return { lines, next: at, more: true };
    lines.push(line);
  }
  return { lines, next: Math.max(from, items.length), more: false };
}

/** A report as a piece has it: the failures are a part of their own. */
export function withoutFailures(report: Report): Report {
  const { targets } = report;
  const bare = <T extends Pick<Report, 'failures' | 'failuresOmitted'>>(end: T): T => ({
    ...end,
    failures: [],
    failuresOmitted: end.failures.length + end.failuresOmitted,
  });
  return { ...bare(report), ...(targets && { targets: targets.map(bare) }) };
}

const levels: readonly LogLevel[] = ['info', 'warning', 'error'];

function levelOf({ event, level, action, outcome }: Line): LogLevel {
  if (event === 'file') return action === 'fail' ? 'error' : 'info';
  if (event === 'run') return outcome === 'succeeded' || outcome === 'cancelled' ? 'info' : 'error';
  return level === 'warning' ? 'warning' : 'info';
}

function says(line: Line, q: string): boolean {
  const { event: _, time: __, error, ...rest } = line;
  const texts = [...Object.values(rest), (error as Line | undefined)?.message];
  const needle = q.toLowerCase();
  return texts.some((text) => typeof text === 'string' && text.toLowerCase().includes(needle));
}
