/** Colours, and whether to use them. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  green(text: string): string;
}

export interface Terminal {
  readonly isTTY?: boolean;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Whether escape sequences may be written to a stream: not to a pipe, a dumb terminal or a CI log. */
export function isLively(stream: Terminal, env: Variables): boolean {
  return stream.isTTY === true && env.TERM !== 'dumb' && (env.CI ?? '') === '';
}

/** Whether to use colours on a stream: not with NO_COLOR (no-color.org) or `--no-color`. */
export function mayColour(stream: Terminal, env: Variables, asked: boolean): boolean {
  return asked && (env.NO_COLOR ?? '') === '' && isLively(stream, env);
}

/** Colours, or functions that return the text unchanged. */
export function createStyle(coloured: boolean): Style {
  const sequence = (on: number, off: number) => (text: string) =>
    coloured ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: sequence(1, 22),
    dim: sequence(2, 22),
    red: sequence(31, 39),
    yellow: sequence(33, 39),
    green: sequence(32, 39),
  };
}
