/** What `npm run torture` asks for, by the environment. */

export interface Asked {
  /** Without a word, another one each day. */
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
    seed: Number(FERRYLINE_TORTURE_SEED ?? Math.floor(Date.now() / 86_400_000)),
    path: FERRYLINE_TORTURE_PATH,
    isLong: minutes !== undefined,
    milliseconds: minutes === undefined ? usual : Number(minutes) * 60_000,
  };
}
