/**
 * STATE/hooks/JOB/RUN.ndjson: the `file` events of a run, for the hooks that follow it. Attempts at one
 * run that this machine carries out add to one list. What a killed process left is removed by the next run.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileEvent } from '../../../core/events.js';
import { jsonLine } from '../../../core/text.js';
import { hookListPath } from '../../../state/layout.js';
import { inFolder } from '../../../state/make-folder.js';

/** Characters that are held back before they are written. */
const heldBack = 64 * 1024;

export class FileList {
  readonly path: string;
  readonly #onError: (message: string) => void;
  #file: number;
  #text = '';
  #isBroken = false;

  private constructor(path: string, file: number, onError: (message: string) => void) {
    this.path = path;
    this.#file = file;
    this.#onError = onError;
  }

  /** The caller holds the job's lock. Rejects with the system's error. */
  static async open(
    state: string,
    { job, run }: { readonly job: string; readonly run: string },
    onError: (message: string) => void,
  ): Promise<FileList> {
    const path = hookListPath(state, job, run);
    const folder = dirname(path);
    const others = await readdir(folder).catch(() => []);
    for (const name of others)
      if (name !== basename(path)) await rm(join(folder, name), { force: true });
    const file = await inFolder(folder, async () => openSync(path, 'a', 0o600));
    return new FileList(path, file, onError);
  }

  add(event: FileEvent): void {
    this.#text += `${jsonLine({ ...event, time: new Date().toISOString() })}\n`;
    if (this.#text.length >= heldBack) this.flush();
  }

  /** Writes what was held back. Never throws. */
  flush(): void {
    const text = this.#text;
    this.#text = '';
    if (this.#isBroken || text === '') return;
    try {
      const data = Buffer.from(text);
      for (let at = 0; at < data.length; ) at += writeSync(this.#file, data, at);
    } catch (error) {
      this.#isBroken = true;
      this.#onError((error as Error).message);
    }
  }

  /** Ends the use of the list; `isLast`: no further attempt adds to it. Never rejects. */
  async close(isLast: boolean): Promise<void> {
    this.flush();
    closeSync(this.#file);
    if (isLast) await rm(this.path, { force: true }).catch(() => {});
  }
}
