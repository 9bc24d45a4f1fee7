/** A block of lines at the foot of a terminal that is redrawn in place. */

export interface Screen {
  write(text: string): unknown;
  readonly columns?: number;
}

const framesPerSecond = 8;

const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';
const eraseDown = '\x1b[J';

export class Block {
  readonly #screen: Screen;
  #content: ((columns: number) => readonly string[]) | undefined;
  /** Lines on the screen now. */
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Somebody else has the foot of the terminal. */
  #held = false;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Shows these lines, redrawn `framesPerSecond` times a second until `end`. */
  set(lines: (columns: number) => readonly string[]): void {
    this.#content = lines;
    if (this.#timer !== undefined) return;
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), 1000 / framesPerSecond);
    this.#timer.unref();
  }

  /** Erases the block until the next redraw, so that other lines can be written. */
  clear(): void {
    if (this.#drawn === 0) return;
    this.#screen.write(this.#eraseSequence());
    this.#drawn = 0;
  }

  /** Erases the block and draws nothing until `release`: a person is asked something at the foot of the terminal. */
  hold(): void {
    this.#held = true;
    this.clear();
    if (this.#timer !== undefined) this.#screen.write(showCursor);
  }

  /** Draws again, from the next frame on. */
  release(): void {
    this.#held = false;
  }

  /** Erases the block for good and shows the cursor again. */
  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#content = undefined;
    this.clear();
    this.#screen.write(showCursor);
  }

  #draw(): void {
    if (this.#content === undefined || this.#held) return;
    // A terminal of unknown width reports 0. The last column stays free: some terminals wrap as soon
    // as it is written.
    const lines = this.#content(Math.max(20, (this.#screen.columns || 80) - 1));
    const start = this.#drawn === 0 ? hideCursor : this.#eraseSequence();
    this.#screen.write(`${start}${lines.map((line) => `${line}\n`).join('')}`);
    this.#drawn = lines.length;
  }

  #eraseSequence(): string {
    return `\r\x1b[${this.#drawn}A${eraseDown}`;
  }
}
