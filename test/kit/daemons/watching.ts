/** A watch on a fresh folder whose calls are kept and can be waited for. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type RescanReason,
  type WatchOptions,
  watchFolder,
} from '../../../src/triggers/watch/watch.js';
import { temporaryFolder } from '../files/temporary.js';

export interface Watched {
  /** A path below the root. */
  at(path: string): string;
  /** Writes a file, with the folders above it. */
  write(path: string, text?: string): void;
  /** What `onSettled` was called with. */
  readonly settled: (readonly string[])[];
  readonly rescans: RescanReason[];
  readonly states: string[];
  readonly ready: Promise<void>;
  /** Waits until the condition holds after a call. */
  until(holds: () => boolean): Promise<void>;
  /** Waits until files in this folder have come to rest. */
  untilSettled(folder: string): Promise<void>;
  /** Writes a file in a folder of its own and waits for it: changes made before have been reported by then. */
  sentinel(): Promise<void>;
  /** All folders reported, except sentinels. */
  folders(): string[];
  close(): Promise<void>;
}

export const settle = 150;

let sentinels = 0;

export async function watched(
  options: Partial<WatchOptions> & { readonly before?: (root: string) => void } = {},
): Promise<Watched> {
  const root = options.root ?? join(await temporaryFolder(), 'root');
  if (options.root === undefined) mkdirSync(root);
  if (options.before !== undefined) {
    options.before(root);
    await sleep(2 * settle); // so that it is no news
  }
  const settled: (readonly string[])[] = [];
  const rescans: RescanReason[] = [];
  const states: string[] = [];
  const waiting = new Set<() => void>();
  const called = () => {
    for (const wake of waiting) wake();
  };
  const watch = watchFolder({
    ...{ settle, rescan: 3_600_000, wanted: () => true },
    ...{ root },
    ...options,
    onSettled(folders) {
      settled.push(folders);
      options.onSettled?.(folders);
      called();
    },
    onRescan(why) {
      rescans.push(why);
      options.onRescan?.(why);
      called();
    },
    onState(state, why) {
      states.push(why === undefined ? state : `${state}: ${why}`);
      called();
    },
  });
  const self: Watched = {
    at: (path) => join(root, path),
    write(path, text = 'text') {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    },
    ...{ settled, rescans, states, ready: watch.ready },
    until: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    untilSettled: (folder) => self.until(() => settled.some((folders) => folders.includes(folder))),
    async sentinel() {
      const folder = `sentinel-${sentinels++}`;
      self.write(`${folder}/x`);
      await self.untilSettled(folder);
    },
    folders: () => settled.flat().filter((folder) => !folder.startsWith('sentinel-')),
    close: () => watch.close(),
  };
  return self;
}
