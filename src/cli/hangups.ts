/** SIGHUP: the daemon reloads jobs.yml; it ends every other command, as is the default. */

/**
 * Holds SIGHUP back from its construction: the command is not known yet, and a daemon that is starting
 * must not end. A SIGHUP without a listener is remembered.
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

  /** Calls the listener at each SIGHUP until `ignore`, and at once if one was remembered. */
  listen(listener: () => void): void {
    this.#listener = listener;
    if (!this.#isDue) return;
    this.#isDue = false;
    listener();
  }

  /** Removes the listener; a SIGHUP is remembered again. */
  ignore(): void {
    this.#listener = undefined;
  }

  /** SIGHUP ends the process from now on; a remembered one ends it now. */
  release(): void {
    process.off('SIGHUP', this.#onSignal);
    if (this.#isDue) process.kill(process.pid, 'SIGHUP');
  }
}
