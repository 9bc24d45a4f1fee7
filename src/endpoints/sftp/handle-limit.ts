/**
 * Files and folders open on one session. A server that opens no more of them at once is not failing:
 * what it refused for that waits until something of ours is closed, and is asked for again.
 *
 * SFTP v3 has no word for it. Servers answer a bare FAILURE, as to much else, so that a folder that
 * surely opens is tried beside it: where that is refused, too, it is for want of handles.
 */
import { FerryError } from '../../core/errors.js';
import type { SftpChannel } from './client/channel.js';

/** Times that something is refused where the server opens another thing until it is a refusal of its own. */
const repeats = 3;

export class Handles {
  readonly #onShort: (open: number) => void;
  /** Open, or asked for. */
  #open = 0;
  #told = false;
  /** Whether it is being found out what a refusal meant; nothing else is asked for meanwhile. */
  #judging = false;
  /** How many were closed meanwhile. */
  #owed = 0;
  /** What was refused, and what came after: each goes when another is closed. */
  readonly #waiting: (() => void)[] = [];

  /** `onShort` is called once, with the number of those that are open, when the server opens no more. */
  constructor(onShort: (open: number) => void) {
    this.#onShort = onShort;
  }

  /** Opens something on a channel by `ask`; whoever gets the handle says `closed` for it, once. */
  open(channel: SftpChannel, ask: () => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
    if (this.#judging || this.#waiting.length > 0)
      return this.#turn(signal).then(() => this.#openNow(channel, ask, signal));
    return this.#openNow(channel, ask, signal);
  }

  #openNow(channel: SftpChannel, ask: () => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
    this.#open++;
    return ask().catch((error) => this.#openLater(this.#refused(error), channel, ask, signal));
  }

  /** Goes on after a refusal that may be for want of handles. */
  async #openLater(
    refusal: FerryError,
    channel: SftpChannel,
    ask: () => Promise<Buffer>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    for (let answer: Buffer | FerryError = refusal; ; answer = await this.#ask(ask)) {
      if (answer instanceof FerryError && !this.#judging)
        answer = await this.#judge(answer, channel, ask, signal);
      if (!(answer instanceof FerryError)) return answer;
      if (this.#open > 0) await this.#turn(signal);
    }
  }

  /** Something that was opened here is closed, or gone with its channel. */
  closed(): void {
    this.#open--;
    this.#next();
  }

  #next(): void {
    if (this.#judging) this.#owed++;
    else this.#waiting.shift()?.();
  }

  /** The handle, or a refusal that may be for want of handles. */
  async #ask(ask: () => Promise<Buffer>): Promise<Buffer | FerryError> {
    this.#open++;
    try {
      return await ask();
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** A refusal that may be for want of handles; throws every other. */
  #refused(error: unknown): FerryError {
    this.#open--;
    if (isBare(error) && this.#open > 0) return error;
    this.#next();
    throw error;
  }

  /** Asks again where the server has room: throws a refusal of the thing's own, returns one for want of handles. */
  async #judge(
    refusal: FerryError,
    channel: SftpChannel,
    ask: () => Promise<Buffer>,
    signal: AbortSignal,
  ): Promise<Buffer | FerryError> {
    this.#judging = true;
    let short = false;
    let answer: Buffer | FerryError = refusal;
    try {
      for (let times = 0; times < repeats && answer instanceof FerryError; times++) {
        short = !(await this.#opensAny(channel, signal));
        if (short) return answer;
        answer = await this.#ask(ask);
      }
    } finally {
      this.#judging = false;
      for (let go = short ? this.#owed : this.#waiting.length; go > 0; go--) this.#next();
      this.#owed = 0;
    }
    if (answer instanceof FerryError) throw answer;
    return answer;
  }

  /** Whether the server opens the login folder, now. Its refusal for another reason says nothing. */
  async #opensAny(channel: SftpChannel, signal: AbortSignal): Promise<boolean> {
    this.#open++; // it may be what others are refused for
    try {
      await channel.closeHandle(await channel.opendir('.', signal));
    } catch (error) {
      this.#open--;
      if (!isBare(error)) return true;
      if (!this.#told) this.#onShort(this.#open);
      this.#told = true;
      return false;
    }
    this.closed();
    return true;
  }

  /** Resolves when another is closed. Rejects with the signal's reason. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => signal.removeEventListener('abort', abort);
      const go = () => {
        leave();
        resolve();
      };
      const abort = () => {
        leave();
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(go);
    });
  }
}

function isBare(error: unknown): error is FerryError {
  return error instanceof FerryError && error.code === 'EFAILURE';
}
