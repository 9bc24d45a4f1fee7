/**
 * The limit of open files and folders on one session. A server that opens no more of them at once is
 * not failing: what it refused for that reason is asked for again once another handle is closed.
 *
 * SFTP v3 has no status for this. Servers answer a bare FAILURE, as they do for much else, so that
 * the login folder, which surely opens, is tried as well: if that is refused, too, handles are short.
 * Some answer PERMISSION_DENIED, and some limit files alone. So what is refused beside others is asked for
 * again when one of those is closed: a limit that gives way then was the reason. Others are opened meanwhile,
 * and once a few denials have lasted, the next ones are believed: a folder may be full of unreadable files.
 * Answers on several channels come in any order, so that no count of what is open is exact.
 *
 * Of those that keep a handle while they wait for another, one waits at a time, before all others: the rest
 * give way (../give-way.ts), so that whatever is open is closed in the end.
 */
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import { giveWay } from '../give-way.js';
import type { SftpChannel } from './client/channel.js';

/** How often an open may fail while other opens succeed before the failure is the file's own. */
const mostOwnFailures = 3;
/** With fewer open or being opened, PERMISSION_DENIED is never taken for a limit. */
const leastLimit = 4;
/** What is denied as often, each time after a close, is denied for its own sake unless the limit is known. */
const mostDenials = 3;
/** After as many denials that a close did not end, and none that it did, they are believed unless as many handles were open as ever were. */
const mostLastingDenials = 8;

/** Where a caller has another handle, which it keeps while it waits: of this session or not. */
type Held = 'here' | 'elsewhere';

/** A refusal that may be for want of handles. */
class Refusal {
  readonly error: FerryError;
  /** Whether as many were open as ever were. */
  readonly full: boolean;

  constructor(error: FerryError, full: boolean) {
    this.error = error;
    this.full = full;
  }
}

export class HandleLimit {
  readonly #onShort: (open: number) => void;
  /** Handles that are open or being opened. */
  #open = 0;
  /** Handles that are open. */
  #held = 0;
  /** The most that ever were. */
  #most = 0;
  /** How often so many were. */
  #timesFull = 0;
  #reported = false;
  /** Whether the reason of a refusal is being found out; nothing else is opened meanwhile. */
  #judging = false;
  /** Handles closed while judging; each lets one waiter go afterwards. */
  #closedWhileJudging = 0;
  /** Refused opens and those that came after them: each goes on when another handle is closed. */
  readonly #waiting: (() => void)[] = [];
  /** Denied opens that may be for want of handles; no other open waits for them. */
  readonly #doubted: (() => void)[] = [];
  /** Denials that a close did not end. */
  #lastingDenials = 0;
  /** Whether one that waits keeps another handle. */
  #keeperWaits = false;

  /** `onShort` is called once, with the number of open handles, when the server opens no more. */
  constructor(onShort: (open: number) => void) {
    this.#onShort = onShort;
  }

  /** Opens something on a channel by `ask`; the caller must call `closed` once for the handle it gets. One that has another handle (`held`) may have to give way. */
  open(
    channel: SftpChannel,
    ask: () => Promise<Buffer>,
    signal: AbortSignal,
    held?: Held,
  ): Promise<Buffer> {
    const isAlone = held === 'here' && this.#open === 1;
    if (this.#judging || (this.#waiting.length > 0 && !isAlone))
      return this.#turn(signal, held).then(() => this.#openNow(channel, ask, signal, held));
    return this.#openNow(channel, ask, signal, held);
  }

  #openNow(
    channel: SftpChannel,
    ask: () => Promise<Buffer>,
    signal: AbortSignal,
    held: Held | undefined,
  ): Promise<Buffer> {
    const full = this.#begin();
    const beside = this.#open - 1;
    return ask().then(this.#opened, (error) =>
      this.#openLater(this.#refused(error, full, beside), channel, ask, signal, held),
    );
  }

  /** Opens it after a refusal that may be for want of handles. */
  async #openLater(
    refusal: Refusal,
    channel: SftpChannel,
    ask: () => Promise<Buffer>,
    signal: AbortSignal,
    held: Held | undefined,
  ): Promise<Buffer> {
    let waits = 0;
    for (let answer: Buffer | Refusal = refusal; ; waits++, answer = await this.#ask(ask)) {
      if (answer instanceof Refusal && isBareFailure(answer.error) && !this.#judging)
        answer = await this.#judge(answer, channel, ask, signal);
      if (!(answer instanceof Refusal)) {
        if (waits > 0 && (refusal.full || isDenied(refusal.error))) this.#isShort();
        return answer;
      }
      // the caller's own handle is all there is to wait for
      if (held === 'here' && this.#open === 1) throw answer.error;
      if (isDenied(answer.error) && !this.#reported && !(held && answer.full))
        await this.#afterDenial(answer, held ? mostDenials : waits, signal);
      else if (this.#open > 0) await this.#turn(signal, held);
    }
  }

  /** Counts a handle that was closed, or that is gone with its channel. */
  closed(): void {
    this.#open--;
    this.#held--;
    this.#next();
  }

  #next(): void {
    if (this.#judging) this.#closedWhileJudging++;
    else (this.#waiting.shift() ?? this.#anyDoubted())?.();
  }

  /** Takes out one of the denied opens, any: those of one folder, which are in a row, may all be denied for their own sake. */
  #anyDoubted(): (() => void) | undefined {
    return this.#doubted.splice(Math.floor(Math.random() * this.#doubted.length), 1)[0];
  }

  /** Counts an open that is about to be sent. Returns what `#refused` needs to know whether as many were open as ever were, at any time until its answer. */
  #begin(): number {
    this.#open++;
    return this.#held < this.#most ? this.#timesFull : this.#timesFull - 1;
  }

  readonly #opened = (handle: Buffer): Buffer => {
    if (++this.#held >= this.#most) {
      this.#most = this.#held;
      this.#timesFull++;
    }
    return handle;
  };

  /** The handle, or a refusal that may be for want of handles. */
  #ask(ask: () => Promise<Buffer>): Promise<Buffer | Refusal> {
    const full = this.#begin();
    const beside = this.#open - 1;
    return ask().then(this.#opened, (error) => this.#refused(error, full, beside, true));
  }

  /** Returns a refusal that may be for want of handles; throws any other error. `beside`: the others that were open or being opened when it was asked. */
  #refused(error: unknown, timesFull: number, beside: number, isAgain = false): Refusal {
    this.#open--;
    const full = this.#timesFull > timesFull && (this.#held >= leastLimit || !isDenied(error));
    const mayWait = this.#open > 0 && isBareFailure(error);
    if (isAgain && isDenied(error)) this.#lastingDenials++;
    // answers on their way are not counted as held, so that what is being opened counts, too; and what was open
    // when the server looked may be closed by now
    const mayBeFull = Math.max(this.#open, beside) >= leastLimit && (full || this.#doubtsDenials);
    if (mayWait || (mayBeFull && isDenied(error))) {
      this.#noteOnlyOne();
      return new Refusal(error, full);
    }
    this.#next();
    throw error;
  }

  get #doubtsDenials(): boolean {
    return this.#reported || this.#lastingDenials < mostLastingDenials;
  }

  /** Resolves when a denied open may be asked for again; throws what was denied for its own sake. */
  async #afterDenial({ error, full }: Refusal, waits: number, signal: AbortSignal): Promise<void> {
    const isLast = waits + 1 >= mostDenials;
    if (!isLast && this.#open > 0) await this.#nextClosed(signal, (go) => this.#doubted.push(go));
    if (!isLast && (full || this.#doubtsDenials)) return;
    if (!this.#doubtsDenials) this.#next();
    throw error;
  }

  /** Lets a waiter that keeps the only open handle ask again: nothing else will be closed. */
  #noteOnlyOne(): void {
    if (this.#keeperWaits && this.#open === 1) this.#next();
  }

  /** Asks again while the server opens other things: returns a refusal for want of handles, throws one for another reason. */
  async #judge(
    refusal: Refusal,
    channel: SftpChannel,
    ask: () => Promise<Buffer>,
    signal: AbortSignal,
  ): Promise<Buffer | Refusal> {
    this.#judging = true;
    let short = false;
    let answer: Buffer | Refusal = refusal;
    try {
      for (let times = 0; times < mostOwnFailures && answer instanceof Refusal; times++) {
        short = !(await this.#opensAny(channel, signal));
        if (short) return answer;
        answer = await this.#ask(ask);
      }
      // the login folder may not count
      short = answer instanceof Refusal && answer.full && this.#held >= leastLimit;
    } finally {
      this.#judging = false;
      const released = short
        ? this.#closedWhileJudging
        : Math.max(this.#closedWhileJudging, this.#waiting.length);
      for (let left = released; left > 0; left--) this.#next();
      this.#closedWhileJudging = 0;
      this.#noteOnlyOne();
    }
    if (answer instanceof Refusal && !short) throw answer.error;
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
      this.#isShort();
      return false;
    }
    this.#open--;
    this.#next();
    return true;
  }

  #isShort(): void {
    if (!this.#reported) this.#onShort(this.#most);
    this.#reported = true;
    this.#waiting.push(...this.#doubted.splice(0));
  }

  /** Resolves when another handle is closed and it is this caller's turn. */
  async #turn(signal: AbortSignal, held: Held | undefined): Promise<void> {
    if (held === undefined) return this.#nextClosed(signal, (go) => this.#waiting.push(go));
    if (this.#keeperWaits) throw giveWay();
    this.#keeperWaits = true;
    try {
      await this.#nextClosed(signal, (go) => this.#waiting.unshift(go));
    } finally {
      this.#keeperWaits = false;
    }
  }

  #nextClosed(signal: AbortSignal, lineUp: (go: () => void) => void): Promise<void> {
    return abortable<void>(signal, (resolve) => {
      const go = () => resolve();
      lineUp(go);
      return () => {
        for (const line of [this.#waiting, this.#doubted])
          if (line.includes(go)) line.splice(line.indexOf(go), 1);
      };
    });
  }
}

function isBareFailure(error: unknown): error is FerryError {
  return error instanceof FerryError && error.code === 'EFAILURE';
}

function isDenied(error: unknown): error is FerryError {
  return error instanceof FerryError && error.code === 'EACCES';
}
