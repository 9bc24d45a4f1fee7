/** What `npm run torture` asks for, by the environment. */

export interface Asked {
  /** Without a word the same each time, so that `npm test` finds what a change broke; `npm run torture` draws one. */
  readonly seed: number;
  /** fast-check's path to one case of that seed. */
  readonly path: string | undefined;
  readonly milliseconds: number;
  /** Whether it is `npm run torture`, not `npm test`. */
  readonly isLong: boolean;
}

/** What is asked for; without a word, a part takes `usual` milliseconds. */
export function asked(usual: number): Asked {
  const { FERRYLINE_TORTURE_SEED, FERRYLINE_TORTURE_PATH, FERRYLINE_TORTURE_MINUTES } = process.env;
  const minutes = FERRYLINE_TORTURE_MINUTES;
  return {
    seed: Number(FERRYLINE_TORTURE_SEED ?? (minutes === undefined ? 20_787 : Date.now() % 1e9)),
    path: FERRYLINE_TORTURE_PATH,
    isLong: minutes !== undefined,
    milliseconds: minutes === undefined ? usual : Number(minutes) * 60_000,
  };
}
