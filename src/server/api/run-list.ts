/**
 * Runs newest first, page by page: those of the queue and those with a report as one list. It is in the
 * order of their ids, which don't change when a run ends, so that a run is on one page and no other.
 */
import { z } from '@hono/zod-openapi';
import type { Report } from '../../core/events.js';
import { partsOf } from '../../core/job.js';
import type { RunView } from '../../core/request.js';
import { runTime } from '../../core/run-id.js';
import { isBefore, type RunKey } from '../../state/run-table.js';
import { cursorOf, placeIn } from './pages.js';
import type { Reads } from './reads.js';
import { endedItem, itemOf, type RunItem } from './run-schemas.js';

export interface RunFilter {
  readonly job?: string | undefined;
  readonly outcome?: string | undefined;
  readonly trigger?: string | undefined;
  readonly worker?: string | undefined;
  readonly remote?: string | undefined;
  readonly kind?: string | undefined;
  /** Ms since the epoch. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Text in the run's id, its job, its worker or its error. */
  readonly q?: string | undefined;
}

interface RunPage {
  items: RunItem[];
  next?: string;
  asOf?: string;
}

const listName = 'runs';
const place = z.tuple([z.string().max(64), z.string().max(64)]);
/** Runs taken from the index at a time. */
const atOnce = 100;
/** Reports read for one page; with filters that few runs pass, a page may be short and the list go on. */
const mostRead = 2000;

export class RunList {
  readonly #reads: Reads;
  /** The runs that had not ended when the queue was last asked. */
  #seen: { readonly at: Date; readonly views: readonly RunView[] } | undefined;

  constructor(reads: Reads) {
    this.#reads = reads;
  }

  async page(filter: RunFilter, limit: number, cursor: string | undefined): Promise<RunPage> {
    const [run, job] = placeIn(listName, place, cursor) ?? [];
    const after = run === undefined || job === undefined ? undefined : { run, job };
    const { views, asOf } = await this.unfinished();
    const items: RunItem[] = [];
    const common = asOf === undefined ? {} : { asOf };
    let read = 0;
    let last: RunKey | undefined;
    for await (const key of this.#newest(views, filter.job, after)) {
      if (last !== undefined && (items.length >= limit || read >= mostRead))
        return { items, next: cursorOf(listName, last.run, last.job), ...common };
      last = { run: key.run, job: key.job };
      const began = runTime(key.run) ?? 0;
      if (filter.since !== undefined && began < filter.since) break;
      if (!this.#mayPass(key, began, filter)) continue;
      if (!('state' in key)) read++;
      const item = 'state' in key ? itemOf(key) : await this.#ended(key);
      if (item !== undefined && passes(item, filter)) items.push(item);
    }
    return { items, ...common };
  }

  /** The runs that have not ended; of the last time that the queue was asked while it is out of reach. */
  async unfinished(): Promise<{ views: readonly RunView[]; asOf?: string }> {
    if (this.#reads.isUp()) {
      const before = this.#seen?.views ?? [];
      const now = await this.#reads.unfinished();
      const views = [...now, ...(await this.#endedElsewhere(before, now))];
      this.#seen = { at: new Date(), views };
      return { views };
    }
    const { at = new Date(), views = [] } = this.#seen ?? {};
    return { views, asOf: at.toISOString() };
  }

  /** Runs of other workers that ended just now, and whose reports are still on their way here. */
  async #endedElsewhere(
    before: readonly RunView[],
    now: readonly RunView[],
  ): Promise<readonly RunView[]> {
    const live = new Set(now.map(({ run }) => run));
    const gone = before.filter(({ run }) => !live.has(run));
    if (gone.length === 0) return [];
    const table = await this.#reads.table();
    const missing = gone.filter(({ run }) => table.named(run).length === 0);
    const found = await Promise.all(missing.map(({ run }) => this.#reads.find(run)));
    return found.filter((view) => view !== undefined);
  }

  /** The runs after a place, newest first: as the queue has them, else as the index does. */
  async *#newest(
    views: readonly RunView[],
    job: string | undefined,
    after: RunKey | undefined,
  ): AsyncGenerator<RunView | (RunKey & { readonly outcome: string })> {
    const live = views
      .filter((view) => job === undefined || view.job === job)
      .filter((view) => after === undefined || isBefore(view, after))
      .sort((one, other) => (isBefore(one, other) ? 1 : -1));
    const nameOf = ({ run, job }: RunKey) => `${run} ${job}`;
    const isLive = new Set(views.map(nameOf));
    let before = after;
    for (;;) {
      const table = await this.#reads.table();
      const indexed = table.newest({ job, limit: atOnce, before, idle: true });
      for (const ended of indexed) {
        while (live[0] !== undefined && isBefore(ended, live[0])) yield live.shift() as RunView;
        if (!isLive.has(nameOf(ended))) yield ended;
      }
      before = indexed.at(-1);
      if (indexed.length < atOnce || before === undefined) break;
    }
    yield* live;
  }

  /** What can be told without the report. */
  #mayPass(
    run: RunKey & { readonly outcome?: string | undefined },
    began: number,
    filter: RunFilter,
  ): boolean {
    if (filter.until !== undefined && began >= filter.until) return false;
    if (filter.outcome !== undefined && run.outcome !== filter.outcome) return false;
    return filter.remote === undefined || usesRemote(this.#reads, run.job, filter.remote);
  }

  async #ended({ run, job }: RunKey): Promise<RunItem | undefined> {
    const report: Report | undefined = await this.#reads.report(run);
    return report === undefined || report.job !== job ? undefined : endedItem(report);
  }
}

/** Whether a job, as jobs.yml has it now, has a side on a remote. */
function usesRemote(reads: Pick<Reads, 'jobs'>, name: string, remote: string): boolean {
  const job = reads.jobs().get(name);
  return (
    job !== undefined &&
    partsOf(job).some(({ from, to }) => from.remote?.name === remote || to.remote?.name === remote)
  );
}

function passes(item: RunItem, { trigger, worker, kind, q }: RunFilter): boolean {
  if (trigger !== undefined && item.trigger !== trigger) return false;
  if (worker !== undefined && item.worker !== worker) return false;
  if (kind !== undefined && item.error?.kind !== kind) return false;
  if (q === undefined) return true;
  const text = [item.run, item.job, item.worker, item.error?.message].join('\n').toLowerCase();
  return text.includes(q.toLowerCase());
}
