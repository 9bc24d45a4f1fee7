/** What every command is given. */
import type { Surroundings } from './folders.js';
import type { Hangups } from './hangups.js';
import type { Output } from './show/output.js';

export interface Context {
  readonly around: Surroundings;
  readonly output: Output;
  /** `--config`. */
  readonly config: string | undefined;
  /**
   * A signal aborted with a `Cancelled` by the first SIGINT or SIGTERM; the next one ends the
   * process at once. Until a command asks for it, the first one does.
   */
  readonly stopSignal: () => AbortSignal;
  /** SIGHUP: `start` reloads jobs.yml at it; to any other command it does what it does by default. */
  readonly hangups: Hangups;
}

// biome-ignore lint/suspicious/noExplicitAny: commander has checked the flags by the time they come
type Action = (context: Context, flags: any, ...args: any[]) => Promise<number>;

/** Makes a command's code what commander calls; it resolves to the exit code. */
export type Wrap = (action: Action) => (...given: unknown[]) => Promise<void>;
