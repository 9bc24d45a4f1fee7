/** Looks for something when called, and again for each call that comes meanwhile: calls are many, and one look serves those before it. */
export class Looker {
  readonly #look: () => Promise<void>;
  readonly #onError: (error: Error) => void;
  #looking: Promise<void> | undefined;
  #again = false;

  /** `look` never runs twice at the same time; what it rejects with goes to `onError`. */
  constructor(look: () => Promise<void>, onError: (error: Error) => void) {
    this.#look = look;
    this.#onError = onError;
  }

  call(): void {
    this.#again = true;
    this.#looking ??= this.#repeat().finally(() => {
      this.#looking = undefined;
      if (this.#again) this.call();
    });
  }

  /** Resolves when no look is being made. */
  async settled(): Promise<void> {
    await this.#looking;
  }

  async #repeat(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#look().catch(this.#onError);
    }
  }
}
