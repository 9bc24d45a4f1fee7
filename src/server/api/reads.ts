/** What the API reads beside `Controls`: the queue and the reports as they are kept, for lists that go on page by page. */
import type { Report } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import type { RunView, SkippedSlot } from '../../core/request.js';
import type { PieceWanted } from '../../core/run-piece.js';
import type { RunProgress } from '../../core/run-progress.js';
import type { RunTable } from '../../state/run-table.js';
import type { FoundPart } from '../run-parts.js';

export interface Reads {
  jobs(): ReadonlyMap<string, Job>;
  remotes(): ReadonlyMap<string, Remote>;
  /** Whether the queue can be reached, as far as is known. */
  isUp(): boolean;
  /** The runs that have not ended. Errors: `network`. */
  unfinished(): Promise<readonly RunView[]>;
  /** What the queue knows of a run. Errors: `network`. */
  find(run: string): Promise<RunView | undefined>;
  /** What is known of ended runs without their reports. Errors: `io`. */
  table(): Promise<RunTable>;
  /** The report of a run that is kept here. Errors: `io`. */
  report(run: string): Promise<Report | undefined>;
  /** The newest slots that made no run of their own. Errors: `network`. */
  skipped(job: string | undefined, limit: number): Promise<readonly SkippedSlot[]>;
  /** A piece of what is kept of a run, wherever that is; `process`: who sent the piece before. Errors: `io`. */
  part(wanted: PieceWanted, process?: string): Promise<FoundPart>;
  /** How far a run is that is being carried out, wherever that is; undefined while nothing is known of it. */
  progress(run: string): RunProgress | undefined;
  /** Calls `watcher` with the newest states of runs, about once a second, until the function that it returns is called. */
  onProgress(watcher: (states: readonly RunProgress[]) => void): () => void;
}

/** The view with its whole report where the queue had only a part of it, and its worker answers. */
export async function wholeView(view: RunView, reads: Pick<Reads, 'part'>): Promise<RunView> {
  const { run, report } = view;
  if (report?.cut !== true) return view;
  const { piece } = await reads.part({ run, part: 'report', from: 0, limit: 1 });
  const [line] = piece.lines;
  return line === undefined ? view : { ...view, report: JSON.parse(line) };
}
