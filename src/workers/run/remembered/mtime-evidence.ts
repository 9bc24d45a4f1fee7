/**
 * What the files of one run show about how their destination stores mtimes. One odd file proves
 * nothing: several must agree and none may contradict. Pure.
 */
import type { MtimeHabit } from '../../../core/mtime-habit.js';

/** What several files have shown. */
export type Finding =
  | { readonly is: 'habit'; readonly habit: MtimeHabit; readonly files: number }
  /** The side keeps no mtimes; what it stores is the time of its own clock. */
  | { readonly is: 'none'; readonly clockOffset: number; readonly files: number };

/** Files that must agree. */
const severalFiles = 3;
/** Seconds around the present: a recent mtime looks like a clock's, so it shows nothing. */
const recentSeconds = 120;
/** Many file systems clamp what is later (ext4 with 128-byte inodes), so such a file shows nothing. */
const latestPlainMtime = 0x7fff_ffff;
/** Seconds: shifts of mtimes come from time zones, whose offsets are multiples of this. */
const zoneStep = 900;
/** Seconds: no time zone, and no clock that is believed, is further off. */
const mostShift = 26 * 3600;
/** Seconds by which the clock offsets of files may differ that took the time of the side's clock. */
const clockSpread = 10;
/** Seconds: FAT's granularity, and that of gateways which keep minutes. */
const knownSteps = [2, 60];

export class MtimeEvidence {
  #deviating = 0;
  readonly #distinct = new Set<number>();
  /** Undefined until a file shows one, NaN once two differ. */
  #shift: number | undefined;
  #least = 0;
  #most = 0;
  readonly #steps = new Set(knownSteps);
  #keeps = false;
  #leastOffset = Number.POSITIVE_INFINITY;
  #mostOffset = Number.NEGATIVE_INFINITY;

  /** Adds one file: the mtime that was sent and the one stored, in seconds; `at` is when it was written, by our clock. */
  add(sent: number, stored: number, at: number): void {
    const given = Math.floor(sent);
    if (given < 0 || given > latestPlainMtime || Math.abs(given - at) < recentSeconds) return;
    const kept = Math.floor(stored);
    const off = kept - given;
    const shift = Math.round(off / zoneStep) * zoneStep;
    this.#shift = this.#shift === undefined || this.#shift === shift ? shift : Number.NaN;
    this.#least = Math.min(this.#least, off - shift);
    this.#most = Math.max(this.#most, off - shift);
    for (const step of this.#steps) if (kept % step !== 0) this.#steps.delete(step);
    if (off === 0) {
      this.#keeps = true;
      return;
    }
    this.#deviating++;
    if (this.#distinct.size < severalFiles) this.#distinct.add(given);
    this.#leastOffset = Math.min(this.#leastOffset, kept - at);
    this.#mostOffset = Math.max(this.#mostOffset, kept - at);
  }

  /** Whether files were seen that a habit does not explain, or, without one, that kept their mtimes. */
  contradicts(habit: MtimeHabit | undefined): boolean {
    if (habit === undefined) return this.#keeps;
    if (this.#shift === undefined) return false;
    const { step, rounds, shift } = habit;
    const [least, most] = rounds === 'down' ? [1 - step, 0] : [0, step - 1];
    const stepHolds = step === 1 || this.#steps.has(step);
    return this.#shift !== shift || !stepHolds || this.#least < least || this.#most > most;
  }

  /** What the files agree in; undefined if too few do. */
  finding(): Finding | undefined {
    const files = this.#deviating;
    if (files < severalFiles) return undefined;
    const habit = this.#habit();
    if (habit !== undefined) return { is: 'habit', habit, files };
    const isClock =
      !this.#keeps &&
      this.#mostOffset - this.#leastOffset <= clockSpread &&
      Math.abs(this.#mostOffset) <= mostShift;
    return isClock ? { is: 'none', clockOffset: this.#mostOffset, files } : undefined;
  }

  #habit(): MtimeHabit | undefined {
    const shift = this.#shift ?? Number.NaN;
    if (this.#distinct.size < severalFiles || !(Math.abs(shift) <= mostShift)) return undefined;
    if (this.#least === 0 && this.#most === 0) return { step: 1, rounds: 'down', shift };
    for (const step of this.#steps) {
      if (this.#most === 0 && this.#least > -step) return { step, rounds: 'down', shift };
      if (this.#least === 0 && this.#most < step) return { step, rounds: 'up', shift };
    }
    return undefined;
  }
}
