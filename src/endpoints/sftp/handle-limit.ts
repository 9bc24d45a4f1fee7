/**
 * The limit of open files and folders on one session. A server that opens no more of them at once is
 * not failing: what it refused for that reason is asked for again once another handle is closed.
 *
 * SFTP v3 has no status for this. Servers answer a bare FAILURE, as they do for much else, so that
 * the login folder, which surely opens, is tried as well: if that is refused, too, handles are short.
 */
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import type { SftpChannel } from './client/channel.js';

/** How often an open may fail while other opens succeed before the failure is the file's own. */
const mostOwnFailures = 3;

export class HandleLimit {
  readonly #onShort: (open: number) => void;
  /** Handles that are open or being opened. */
  #open = 0;
  #reported = false;
  /** Whether the reason of a refusal is being found out; nothing else is opened meanwhile. */
  #judging = false;
  /** Handles closed while judging; each lets one waiter go afterwards. */
  #closedWhileJudging = 0;
  /** Refused opens and those that came after them: each goes on when another handle is closed. */
  readonly #waiting: (() => void)[] = [];

  /** `onShort` is called once, with the number of open handles, when the server opens no more. */
  constructor(onShort: (open: number) => void) {
    this.#onShort = onShort;
  }

  /** Opens something on a channel by `ask`; the caller must call `closed` once for the handle it gets. */
  open(channel: SftpChannel, ask: () => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
    if (this.#judging || this.#waiting.length > 0)
      return this.#nextClosed(signal).then(() => this.#openNow(channel, ask, signal));
    return this.#openNow(channel, ask, signal);
  }

  #openNow(channel: SftpChannel, ask: () => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
    this.#open++;
    return ask().catch((error) => this.#openLater(this.#refused(error), channel, ask, signal));
  }

  /** Opens it after a refusal that may be for want of handles. */
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
      if (this.#open > 0) await this.#nextClosed(signal);
    }
  }

  /** Counts a handle that was closed, or that is gone with its channel. */
  closed(): void {
    this.#open--;
    this.#next();
  }

  #next(): void {
    if (this.#judging) this.#closedWhileJudging++;
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

  /** Returns a refusal that may be for want of handles; throws any other error. */
  #refused(error: unknown): FerryError {
    this.#open--;
    if (isBareFailure(error) && this.#open > 0) return error;
    this.#next();
    throw error;
  }

  /** Asks again while the server opens other things: returns a refusal for want of handles, throws one for another reason. */
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
      for (let times = 0; times < mostOwnFailures && answer instanceof FerryError; times++) {
        short = !(await this.#opensAny(channel, signal));
        if (short) return answer;
        answer = await this.#ask(ask);
      }
    } finally {
      this.#judging = false;
      const released = short ? this.#closedWhileJudging : this.#waiting.length;
      for (let left = released; left > 0; left--) this.#next();
      this.#closedWhileJudging = 0;
    }
    if (answer instanceof FerryError) throw answer;
    return answer;
  }

  /** Whether the server opens the login folder now. A refusal with a reason of its own counts as yes. */
  async #opensAny(channel: SftpChannel, signal: AbortSignal): Promise<boolean> {
    this.#open++; // this handle itself may be what others are refused for
    try {
      await channel.closeHandle(await channel.opendir('.', signal));
    } catch (error) {
      this.#open--;
      if (!isBareFailure(error)) return true;
      if (!this.#reported) this.#onShort(this.#open);
      this.#reported = true;
      return false;
    }
    this.closed();
    return true;
  }

  /** Resolves when another handle is closed and it is this caller's turn. */
  #nextClosed(signal: AbortSignal): Promise<void> {
    return abortable<void>(signal, (resolve) => {
      const go = () => resolve();
      this.#waiting.push(go);
      return () => this.#waiting.splice(this.#waiting.indexOf(go), 1);
    });
  }
}

function isBareFailure(error: unknown): error is FerryError {
  return error instanceof FerryError && error.code === 'EFAILURE';
}
