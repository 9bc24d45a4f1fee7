/** Secrets that became known while the process runs: what commands printed during logins. observe/redact.ts hides them, too. */

/** Beyond these the oldest are forgotten: by then it has long been replaced by a newer one. */
const mostSecrets = 1000;

class LearntSecrets {
  readonly #values = new Set<string>();
  #version = 0;

  /** Changes whenever a value is added. */
  get version(): number {
    return this.#version;
  }

  get values(): Iterable<string> {
    return this.#values;
  }

  add(value: string): void {
    if (value === '' || this.#values.has(value)) return;
    this.#values.add(value);
    this.#version++;
    if (this.#values.size <= mostSecrets) return;
    for (const oldest of this.#values) {
      this.#values.delete(oldest);
      return;
    }
  }
}

/** Those of this process: whatever it prints, it must not print them. */
export const learntSecrets = new LearntSecrets();
