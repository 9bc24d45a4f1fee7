/** What every command gets. */
import type { Environment } from './folders.js';
import type { Hangups } from './hangups.js';
import type { Output } from './show/output.js';

export interface Context {
  readonly environment: Environment;
  readonly output: Output;
  /** `--config`; false: `--no-config`. */
  readonly config: string | false | undefined;
  /** The flags typed that a command to be typed again needs as well (see typed-command.ts). */
  readonly typed: readonly (readonly string[])[];
  /**
   * The signal that the first SIGINT or SIGTERM aborts with a `Cancelled`; the second one ends the
   * process at once. If a command does not call this, the first one does.
   */
  readonly stopSignal: () => AbortSignal;
  /** SIGHUP: `start` reloads jobs.yml; any other command ends, as by default. */
  readonly hangups: Hangups;
}

// biome-ignore lint/suspicious/noExplicitAny: commander has checked the flags before they get here
type CommandAction = (context: Context, flags: any, ...args: any[]) => Promise<number>;

/** Turns a command's function, which resolves to the exit code, into the one that commander calls. */
export type Wrap = (action: CommandAction) => (...given: unknown[]) => Promise<void>;
