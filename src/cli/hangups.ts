/** SIGHUP: to a daemon it means to reload jobs.yml; every other command ends by it, as a process does by default. */

/**
 * Holds SIGHUP back from the moment it is made: which command is called is not known yet, and a daemon
 * that is only starting must not end. A SIGHUP that nobody listens to is remembered.
 */
export class Hangups {
  #listener: (() => void) | undefined;
  #isDue = false;
  readonly #onSignal = () => {
    if (this.#listener === undefined) this.#isDue = true;
    else this.#listener();
  };

  constructor() {
    process.on('SIGHUP', this.#onSignal);
  }

  /** Calls back at each SIGHUP until `ignore`, and at once if one came while nobody listened. */
  listen(listener: () => void): void {
    this.#listener = listener;
    if (!this.#isDue) return;
    this.#isDue = false;
    listener();
  }

  /** Calls back no more; a SIGHUP is remembered again. */
  ignore(): void {
    this.#listener = undefined;
  }

  /** SIGHUP ends the process from now on; one that came before ends it now. */
  release(): void {
    process.off('SIGHUP', this.#onSignal);
    if (this.#isDue) process.kill(process.pid, 'SIGHUP');
  }
}
