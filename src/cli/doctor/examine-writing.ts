/**
 * Examines what a server makes of files, with probe files in a folder of their own, which is removed
 * again: clock and time zone, mtimes, names, renames, modes, and the speed of a second each way.
 */
import { randomBytes } from 'node:crypto';
import { FerryError } from '../../core/errors.js';
import { habitText, type MtimeHabit, storedAs } from '../../core/mtime-habit.js';
import { escapeText, formatBytes } from '../../core/text.js';
import type { Endpoint, Handle } from '../../endpoints/endpoint.js';
import type { SideFacts } from '../../workers/run/remembered/server-facts.js';
import type { Examination, Finding } from './examination.js';

export interface Probe {
  readonly endpoint: Endpoint;
  /** Takes what is found out, for the runs to come. */
  readonly facts: SideFacts;
  readonly signal: AbortSignal;
}

/** Milliseconds for which bytes are sent, and then fetched. */
const speedMs = 1000;
/** Requests in flight meanwhile. */
const atOnce = 64;
/** Time zones are off by multiples of this, seconds. */
const zoneStep = 900;
/** An odd second of a winter, two seconds of a summer, and one that needs the full 32 bits. */
const mtimes = [1_578_874_511, 1_593_858_533, 1_593_858_534];
const afterSigned = 2_240_611_201;

/** Never leaves its folder behind without saying so. */
export async function examineWriting(examination: Examination, probe: Probe): Promise<void> {
  const { endpoint, signal } = probe;
  const folder = `.ferryline-doctor-${randomBytes(6).toString('hex')}`;
  const look = (stage: string, what: () => Promise<Finding> | Finding) =>
    examination.look(stage, signal, what);
  const made = await look('write', async () => {
    await endpoint.mkdir(folder, 0o700, signal);
    return {
      found: `made the folder ${escapeText(folder)} in ${escapeText(endpoint.label)} for what follows`,
    };
  });
  if (!made) return;
  const bench = new Bench(probe, folder);
  try {
    await look('clock', () => bench.clock());
    await look('mtimes', () => bench.mtimes());
    await look('modes', () => bench.modes());
    await look('names', () => bench.names());
    await look('rename', () => bench.rename());
    await look('speed up', () => bench.sendFor(speedMs));
    await look('speed down', () => bench.fetchFor(speedMs));
  } finally {
    await look('clean up', () => bench.cleanUp());
  }
}

class Bench {
  readonly #endpoint: Endpoint;
  readonly #facts: SideFacts;
  readonly #signal: AbortSignal;
  readonly #folder: string;
  /** Bytes that were sent to the file for the speed. */
  #sent = 0;

  constructor({ endpoint, facts, signal }: Probe, folder: string) {
    this.#endpoint = endpoint;
    this.#facts = facts;
    this.#signal = signal;
    this.#folder = folder;
  }

  /** A new file's mtime against our clock, as a graphical client works out the time zone of a server. */
  async clock(): Promise<Finding> {
    const before = Date.now();
    await this.#write('clock', 'x');
    const now = (before + Date.now()) / 2000;
    const stat = await this.#endpoint.stat(this.#path('clock'), this.#signal);
    if (stat?.mtime === undefined)
      return { found: 'it sends no mtimes', fix: 'compare by size or checksum: `compare: size`' };
    const off = stat.mtime - now;
    const server = Math.round(off / zoneStep) * zoneStep;
    const rest = Math.round(off - server);
    const local = -new Date().getTimezoneOffset() * 60;
    // without the sign of a zero
    const seconds = (s: number) => `${(s + 0).toLocaleString('en')} s`;
    const zones = `time-zone offset: server ${seconds(server)}, local ${seconds(local)}, difference ${seconds(local - server)}`;
    const clock = `its clock is ${Math.abs(rest) <= 1 ? 'ours' : `${seconds(Math.abs(rest))} ${rest > 0 ? 'ahead of' : 'behind'} ours`}`;
    const found = `${clock}\n${zones}`;
    if (server !== 0)
      return {
        found,
        fix: 'times of SFTP are UTC, and this server sends its local time: ask who runs it; runs allow for it once they have seen it',
      };
    return Math.abs(rest) > 60 ? { found, fix: 'set its clock, or ours (NTP)' } : { found };
  }

  /** Which mtimes it keeps, and how. */
  async mtimes(): Promise<Finding> {
    const stored: (number | undefined)[] = [];
    for (const mtime of mtimes) stored.push(await this.#storedFor(mtime));
    const late = await this.#storedFor(afterSigned);
    const habit = habitOf(stored);
    this.#facts.measured({ mtimes: habit });
    if (habit === undefined) {
      const found = mtimes.map((mtime, n) => becameText(mtime, stored[n])).join('\n');
      return {
        found,
        fix: 'runs record what is stored for each file; `compare: checksum` does not depend on it',
      };
    }
    const expected = habit === 'exact' ? afterSigned : storedAs(afterSigned, habit);
    const how = habit === 'exact' ? 'kept to the second' : `stored ${habitText(habit)}`;
    if (late !== expected)
      return {
        found: `${how}, but ${becameText(afterSigned, late)}`,
        fix: 'runs record what is stored for such files',
      };
    const found = `${how}, also after 2038`;
    if (habit === 'exact') return { found };
    return { found, fix: 'nothing: runs compare in the same way from now on' };
  }

  /** The whole second that is stored for an mtime. */
  async #storedFor(mtime: number): Promise<number | undefined> {
    const name = `mtime-${mtime}`;
    await this.#write(name, 'x');
    await this.#endpoint.setStat(this.#path(name), { mtime }, this.#signal).catch(passOver);
    const found = (await this.#endpoint.stat(this.#path(name), this.#signal))?.mtime;
    return found === undefined ? undefined : Math.floor(found);
  }

  async modes(): Promise<Finding> {
    await this.#write('mode', 'x');
    await this.#endpoint.setStat(this.#path('mode'), { mode: 0o640 }, this.#signal).catch(passOver);
    const mode = (await this.#endpoint.stat(this.#path('mode'), this.#signal))?.mode;
    if (mode === 0o640) return { found: 'permission bits are kept' };
    const text =
      mode === undefined ? 'none are sent' : `0640 became ${mode.toString(8).padStart(4, '0')}`;
    return {
      found: `permission bits: ${text}`,
      fix: 'set `modes: server` to leave them to the server',
    };
  }

  async names(): Promise<Finding> {
    await this.#write('case-ferryline', 'x');
    await this.#write('form-\u00e9', 'x');
    const { ignoresCase, ignoresForm } = {
      ignoresCase: await this.#isThere('CASE-ferryline'),
      ignoresForm: await this.#isThere('form-e\u0301'),
    };
    this.#facts.measured({ ignoresCase });
    const listed = await this.#endpoint.list(this.#folder, this.#signal);
    const form = listed.find(({ name }) => name.startsWith('form-'))?.name;
    const forms =
      form === 'form-\u00e9'
        ? 'names are listed as they were given'
        : 'it lists names in another Unicode form (NFD)';
    return {
      found: `${ignoresCase ? 'ignores the case of names' : 'names that differ in case are different'}; ${ignoresForm ? 'ignores their Unicode form' : 'names that differ in Unicode form are different'}; ${forms}`,
    };
  }

  /** Whether a file takes the name of another in one step, and hard links are made. */
  async rename(): Promise<Finding> {
    const { can } = this.#endpoint;
    await this.#write('old', 'old');
    await this.#write('new', 'new bytes');
    await this.#endpoint.rename(this.#path('new'), this.#path('old'), true, this.#signal);
    const size = (await this.#endpoint.stat(this.#path('old'), this.#signal))?.size;
    if (size !== 9)
      throw new FerryError('io', 'the server says OK to a rename and does not carry it out', {
        hint: 'no transfer is safe there: ask who runs the server',
      });
    const links = await this.#endpoint
      .link(this.#path('old'), this.#path('linked'), this.#signal)
      .then(() => 'hard links are made')
      .catch((error) => {
        passOver(error);
        return 'no hard links';
      });
    const how = can.atomicReplace
      ? 'replaces a file in one step'
      : 'replaces a file in two steps: for a moment the name is free';
    return { found: `${how}; ${links}; ${can.fsync ? 'fsync is offered' : 'no fsync'}` };
  }

  async sendFor(ms: number): Promise<Finding> {
    const handle = await this.#open('speed', 'create');
    const chunk = randomBytes(this.#endpoint.can.maxWrite);
    const since = performance.now();
    try {
      await this.#repeat(
        ms,
        (at) => handle.write(chunk, at * chunk.length, this.#signal),
        (n) => {
          this.#sent = n * chunk.length;
        },
      );
      await handle.finish({ attributes: {}, sync: false }, this.#signal);
    } catch (error) {
      await handle.close().catch(() => {});
      throw error;
    }
    return { found: speedText(this.#sent, performance.now() - since) };
  }

  async fetchFor(ms: number): Promise<Finding> {
    const handle = await this.#open('speed', 'read');
    const { maxRead } = this.#endpoint.can;
    const chunks = Math.max(1, Math.floor(this.#sent / maxRead));
    const since = performance.now();
    let bytes = 0;
    try {
      await this.#repeat(ms, async (at) => {
        const got = await handle.read(Buffer.alloc(maxRead), (at % chunks) * maxRead, this.#signal);
        bytes += got;
      });
    } finally {
      await handle.close();
    }
    return { found: speedText(bytes, performance.now() - since) };
  }

  async cleanUp(): Promise<Finding> {
    // also after an interrupt: what was made is ours to remove
    const signal = AbortSignal.timeout(30_000);
    try {
      for (const { name } of await this.#endpoint.list(this.#folder, signal))
        await this.#endpoint.remove(this.#path(name), signal);
      await this.#endpoint.rmdir(this.#folder, signal);
    } catch (error) {
      const { message } = error as Error;
      throw new FerryError('io', `${escapeText(this.#folder)} could not be removed: ${message}`, {
        hint: 'remove that folder by hand; nothing else was touched',
        cause: error,
      });
    }
    return { found: 'the probe files are removed' };
  }

  /** Calls `work` with growing numbers for so long, several at once. `done` gets how many have been done, without gaps. */
  async #repeat(ms: number, work: (at: number) => Promise<unknown>, done?: (n: number) => void) {
    const until = performance.now() + ms;
    let next = 0;
    const lane = async () => {
      while (performance.now() < until) await work(next++);
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    done?.(next);
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  #open(name: string, mode: 'create' | 'read'): Promise<Handle> {
    return this.#endpoint.open(this.#path(name), mode, 0o600, this.#signal);
  }

  async #write(name: string, text: string): Promise<void> {
    const handle = await this.#open(name, 'create');
    const ending = { data: Buffer.from(text), attributes: {}, sync: false };
    await handle.finish(ending, this.#signal);
  }

  async #isThere(name: string): Promise<boolean> {
    return (await this.#endpoint.stat(this.#path(name), this.#signal)) !== undefined;
  }
}

/** How these mtimes were stored: `exact`, a habit that explains them all, or undefined. */
function habitOf(stored: readonly (number | undefined)[]): MtimeHabit | 'exact' | undefined {
  const isAs = (habit: MtimeHabit) =>
    mtimes.every((mtime, n) => storedAs(mtime, habit) === stored[n]);
  const [first] = stored;
  if (first === undefined) return undefined;
  const near = Math.round((first - (mtimes[0] as number)) / zoneStep) * zoneStep;
  for (const step of [1, 2, 60] as const)
    for (const rounds of ['down', 'up'] as const)
      for (const shift of new Set([0, near])) {
        const habit = { step, rounds, shift };
        if (isAs(habit)) return step === 1 && shift === 0 ? 'exact' : habit;
      }
  return undefined;
}

function becameText(mtime: number, stored: number | undefined): string {
  return `${isoOf(mtime)} became ${stored === undefined ? 'nothing' : isoOf(stored)}`;
}

/** A refusal is an answer, too; what ends the session is not. */
function passOver(error: unknown): void {
  if (!(error instanceof FerryError) || error.kind !== 'io') throw error;
}

function isoOf(seconds: number): string {
  return new Date(Math.floor(seconds) * 1000).toISOString().replace('.000Z', 'Z');
}

function speedText(bytes: number, ms: number): string {
  return `${formatBytes(Math.round(bytes / (ms / 1000)))}/s (${formatBytes(bytes)} of random bytes in ${(ms / 1000).toFixed(1)} s)`;
}
