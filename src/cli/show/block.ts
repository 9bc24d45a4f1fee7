/** A block of lines at the foot of a terminal that is drawn again and again in place. */

export interface Block {
  /** Shows these lines; drawn at most some times a second. */
  set(lines: (columns: number) => readonly string[]): void;
  /** Takes the block away until it is drawn next, so that other lines can be written. */
  clear(): void;
  /** Takes it away for good and shows the cursor again. */
  end(): void;
}

export interface Screen {
  write(text: string): unknown;
  readonly columns?: number;
}

const framesPerSecond = 8;

const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';
const eraseDown = '\x1b[J';

export function createBlock(screen: Screen): Block {
  let content: ((columns: number) => readonly string[]) | undefined;
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  const clear = () => {
    if (drawn === 0) return;
    screen.write(`\r\x1b[${drawn}A${eraseDown}`);
    drawn = 0;
  };
  const draw = () => {
    if (content === undefined) return;
    // A terminal that doesn't know its width says 0. One column stays free: some wrap as soon as
    // the last one is written.
    const lines = content(Math.max(20, (screen.columns || 80) - 1));
    const back = drawn === 0 ? hideCursor : `\r\x1b[${drawn}A${eraseDown}`;
    screen.write(`${back}${lines.map((line) => `${line}\n`).join('')}`);
    drawn = lines.length;
  };
  return {
    set(lines) {
      content = lines;
      if (timer !== undefined) return;
      draw();
      timer = setInterval(draw, 1000 / framesPerSecond);
      timer.unref();
    },
    clear,
    end() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      content = undefined;
      clear();
      screen.write(showCursor);
    },
  };
}
