/** Kills, flushes, clock steps and silent networks at random; afterwards every request and every slot is accounted for. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Member, startMembers } from './chaos.js';
import { writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { type Store, startStore } from './stores.js';

const minutes = 10;
const scheduledJobs = 6;
const requestedJobs = 6;
const slotEverySeconds = 10;
const requestEveryMs = 500;
const faultEveryMs = 5000;
/** What was acknowledged before a flush is in the queue again by then, and its runs may begin. */
const afterFlushMs = 45_000;
/** The rest has to be done by then. */
const settleWithinMs = 180_000;
/** Around a flush what is known of slots and requests is lost. */
const nearFlushMs = 60_000;

const roles = {
  ...{ 'scheduler-1': 'scheduler,api', 'scheduler-2': 'scheduler,api' },
  ...{ 'worker-1': 'worker', 'worker-2': 'worker', 'worker-3': 'worker', 'worker-4': 'worker' },
};

interface Report {
  readonly run: string;
  readonly job: string;
  readonly outcome: string;
  readonly startedAt: string;
  readonly worker?: string;
  readonly slot?: string;
}

/** One store after the other. */
export async function chaos(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  for (const name of ['redis', 'postgres'] as const) {
    const folder = join(scene.folder, name);
    mkdirSync(join(folder, 'store'), { recursive: true });
    const store = await startStore(name, join(folder, 'store'));
    try {
      const found = await soak(scene, folder, store);
      for (const [what, count] of Object.entries(found))
        rows.push(`| ${name} | ${what} | ${count} |`);
    } finally {
      await store.stop();
    }
  }
  return ['| queue | what | count |', '|---|---|---|', ...rows].join('\n');
}

async function soak(scene: DaemonScene, folder: string, store: Store) {
  const scheduled = Array.from({ length: scheduledJobs }, (_, i) => `scheduled-${i}`);
  const requested = Array.from({ length: requestedJobs }, (_, i) => `requested-${i}`);
  const job = (name: string) => ({
    ...{ operation: 'push', from: `./data/${name}`, to: `server:there/${name}`, history: 5000 },
    retry: { attempts: 5, backoff: '1s', maxBackoff: '5s' },
  });
  const schedule = {
    schedule: `*/${slotEverySeconds} * * * * *`,
    timezone: 'UTC',
    catchUp: { slots: 'all', within: '1h' },
  };
  writeJobs(
    folder,
    store.url,
    scene.server,
    Object.fromEntries([
      ...scheduled.map((name) => [name, { ...job(name), ...schedule }]),
      ...requested.map((name) => [name, job(name)]),
    ]),
  );
  for (const name of [...scheduled, ...requested]) {
    mkdirSync(join(folder, 'data', name));
    writeFileSync(join(folder, 'data', name, 'file'), name);
  }
  const members = await startMembers(folder, store.url, roles);
  try {
    const schedulers = members.slice(0, 2);
    for (const member of members) await answers(member);
    const started = Date.now();
    const ended = started + minutes * 60_000 * scene.scale;
    const skips = new Skips(schedulers);
    const [acknowledged, faults] = await Promise.all([
      request(schedulers, requested, ended, scene.signal),
      breakThings(members, store, ended, scene.signal),
      skips.collect(ended, scene.signal),
    ]);
    const unfinished = await settle(schedulers, skips);
    const reports = reportsOf(members);
    await Promise.all(members.map((member) => member.end()));
    const slots = slotsBetween(started, ended);
    return {
      ...faults.counts,
      'requests acknowledged': acknowledged.length,
      ...requestsIn(acknowledged, reports, faults.flushes),
      'slots due': slots.length * scheduledJobs,
      ...slotsIn(slots, scheduled, reports, skips, faults.flushes),
      'runs recorded': reports.size,
      'of them taken over and carried out again': [...reports.values()].filter(
        (all) => all.length > 1,
      ).length,
      'runs that did not end in time': unfinished,
      'processes that ended by themselves': members.flatMap(({ deaths }) => deaths).length,
    };
  } finally {
    await Promise.all(members.map((member) => member.end()));
    for (const death of members.flatMap(({ deaths }) => deaths)) console.error(death);
  }
}

async function answers(member: Member): Promise<void> {
  for (;;) {
    try {
      await member.ask('GET', '/api/status');
      return;
    } catch {
      await sleep(200);
    }
  }
}

interface Acknowledged {
  readonly run: string;
  readonly at: number;
}

/** Asks the schedulers in turn; what fails was not acknowledged. */
async function request(
  schedulers: readonly Member[],
  jobs: readonly string[],
  until: number,
  signal: AbortSignal,
): Promise<Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  const asking = new Set<Promise<void>>();
  for (let i = 0; Date.now() < until; i++) {
    signal.throwIfAborted();
    const job = jobs[Math.floor(Math.random() * jobs.length)];
    const one = (schedulers[i % schedulers.length] as Member)
      .ask('POST', `/api/jobs/${job}/enqueue`)
      .then(
        (answer) => {
          acknowledged.push({ run: (answer as { run: string }).run, at: Date.now() });
        },
        () => {},
      )
      .finally(() => asking.delete(one));
    asking.add(one);
    await sleep(requestEveryMs);
  }
  await Promise.all(asking);
  return acknowledged;
}

/** One fault after another; all are mended at the end. */
async function breakThings(
  members: readonly Member[],
  store: Store,
  until: number,
  signal: AbortSignal,
) {
  const counts = { kills: 0, flushes: 0, 'clock steps': 0, 'silent networks': 0 };
  const flushes: number[] = [];
  let nextFlush = Date.now() + (until - Date.now()) / 4;
  while (Date.now() < until) {
    signal.throwIfAborted();
    const member = members[Math.floor(Math.random() * members.length)] as Member;
    const lasts = Math.min(2000 + Math.random() * 20_000, Math.max(0, until - Date.now()));
    const kind = Math.random();
    if (Date.now() > nextFlush) {
      nextFlush += (until - nextFlush) / 2 + 10_000;
      counts.flushes++;
      flushes.push(Date.now());
      store.flush();
    } else if (kind < 0.5) {
      if (member.kill(500 + Math.random() * 5000)) counts.kills++;
    } else if (kind < 0.75) {
      counts['clock steps']++;
      member.setClock(Math.round((Math.random() - 0.5) * 1200));
      setTimeout(() => member.setClock(0), lasts);
    } else {
      counts['silent networks']++;
      member.silence(true);
      setTimeout(() => member.silence(false), lasts);
    }
    await sleep(Math.random() * 2 * faultEveryMs);
  }
  for (const member of members) {
    member.setClock(0);
    member.silence(false);
  }
  return { counts, flushes };
}

interface Skipped {
  readonly job: string;
  readonly slot: string;
  /** A gap: from its first slot to its last. */
  readonly from?: string;
  readonly to?: string;
}

interface RunsAnswer {
  readonly runs: readonly { readonly run: string; readonly state: string }[];
  readonly skipped: readonly Skipped[];
}

/** The skipped slots, asked for again and again, since a flush loses them. */
class Skips {
  readonly #schedulers: readonly Member[];
  readonly #found = new Map<string, Skipped>();

  constructor(schedulers: readonly Member[]) {
    this.#schedulers = schedulers;
  }

  async collect(until: number, signal: AbortSignal): Promise<void> {
    while (Date.now() < until && !signal.aborted) {
      await this.look();
      await sleep(2000);
    }
  }

  /** How many runs have not ended; undefined where nobody answers. */
  async look(): Promise<number | undefined> {
    let unfinished: number | undefined;
    for (const scheduler of this.#schedulers) {
      const path = '/api/runs?limit=2000&idle=1';
      const answer = await scheduler.ask('GET', path).catch(() => undefined);
      if (answer === undefined) continue;
      const { runs, skipped } = answer as RunsAnswer;
      unfinished = runs.filter(({ state }) => state !== 'ended').length;
      for (const one of skipped) this.#found.set(`${one.job} ${one.slot}`, one);
    }
    return unfinished;
  }

  has(job: string, slot: number): boolean {
    const iso = new Date(slot).toISOString();
    if (this.#found.has(`${job} ${iso}`)) return true;
    return [...this.#found.values()].some(
      (one) =>
        one.job === job &&
        one.from !== undefined &&
        Date.parse(one.from) <= slot &&
        slot <= Date.parse(one.to ?? one.slot),
    );
  }
}

/** Waits until no run is left; resolves to those that are. Slots still come: some run is nearly always there. */
async function settle(schedulers: readonly Member[], skips: Skips): Promise<number> {
  // A store that was emptied just now has no runs: that is not the end of them.
  await sleep(afterFlushMs);
  const until = Date.now() + settleWithinMs;
  let left: number | undefined;
  do {
    await sleep(1000);
    left = await skips.look();
  } while (left !== 0 && Date.now() < until);
  for (const scheduler of schedulers) await answers(scheduler);
  await skips.look();
  return left ?? -1;
}

/** The reports of all state folders, by run: more than one where it was carried out more than once. */
function reportsOf(members: readonly Member[]): Map<string, Report[]> {
  const found = new Map<string, Report[]>();
  for (const { state } of members)
    for (const name of readdirSync(join(state, 'runs'), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.json')) continue;
      const report = JSON.parse(readFileSync(join(state, 'runs', name), 'utf8')) as Report;
      const all = found.get(report.run) ?? [];
      // Schedulers keep copies.
      if (!all.some(({ startedAt }) => startedAt === report.startedAt)) all.push(report);
      found.set(report.run, all);
    }
  return found;
}

function slotsBetween(from: number, until: number): number[] {
  const every = slotEverySeconds * 1000;
  const slots: number[] = [];
  for (let at = Math.ceil(from / every) * every; at <= until; at += every) slots.push(at);
  return slots;
}

function isNear(at: number, flushes: readonly number[]): boolean {
  return flushes.some((flush) => Math.abs(flush - at) < nearFlushMs);
}

function requestsIn(
  acknowledged: readonly Acknowledged[],
  reports: ReadonlyMap<string, readonly Report[]>,
  flushes: readonly number[],
) {
  const lost = acknowledged.filter(({ run }) => !reports.has(run));
  const inFlush = lost.filter(({ at }) => isNear(at, flushes));
  for (const { run } of lost) console.error(`lost: request ${run}`);
  return {
    'of them recorded': acknowledged.length - lost.length,
    'of them lost with a flush': inFlush.length,
    'of them lost otherwise': lost.length - inFlush.length,
  };
}

function slotsIn(
  slots: readonly number[],
  jobs: readonly string[],
  reports: ReadonlyMap<string, readonly Report[]>,
  skips: Skips,
  flushes: readonly number[],
) {
  const runs = new Map<string, Set<string>>();
  for (const [run, [report]] of reports) {
    if (report?.slot === undefined) continue;
    const key = `${report.job} ${Date.parse(report.slot)}`;
    runs.set(key, (runs.get(key) ?? new Set()).add(run));
  }
  const counts = { ran: 0, skipped: 0, twice: 0, missing: 0, twiceInFlush: 0, missingInFlush: 0 };
  for (const slot of slots)
    for (const job of jobs) {
      const ran = runs.get(`${job} ${slot}`)?.size ?? 0;
      const skipped = skips.has(job, slot);
      const near = isNear(slot, flushes);
      if (ran === 1) counts.ran++;
      else if (ran > 1) counts[near ? 'twiceInFlush' : 'twice']++;
      else if (skipped) counts.skipped++;
      else counts[near ? 'missingInFlush' : 'missing']++;
      if (ran > 1 || (ran === 0 && !skipped))
        console.error(
          `${ran} runs: ${job} ${new Date(slot).toISOString()}${near ? ' (flush)' : ''}`,
        );
    }
  return {
    'of them ran once': counts.ran,
    'of them skipped with a reason': counts.skipped,
    'of them ran twice around a flush': counts.twiceInFlush,
    'of them without a record around a flush': counts.missingInFlush,
    'of them ran twice otherwise': counts.twice,
    'of them without a record otherwise': counts.missing,
  };
}
