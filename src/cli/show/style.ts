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

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a stream may get escape sequences that move the cursor: no pipe, no dumb terminal, no CI log. */
export function isLively(stream: Terminal, env: Environment): boolean {
  return stream.isTTY === true && env.TERM !== 'dumb' && (env.CI ?? '') === '';
}

/** Whether to colour what goes to a stream: no-color.org's rule and `--no-color` come first. */
export function mayColour(stream: Terminal, env: Environment, asked: boolean): boolean {
  return asked && (env.NO_COLOR ?? '') === '' && isLively(stream, env);
}

/** Colours, or the text as it is. */
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
