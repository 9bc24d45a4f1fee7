/** The progress of a run that is ended in the middle: what it did not do is not counted as done. */
import { expect, test } from 'vitest';
import type { RunEvent } from '../../../src/core/events.js';
import type { Copy } from '../../../src/jobs/plan/plan.js';
import { TransferProgress } from '../../../src/workers/run/progress.js';
import {
  EntryWriter,
  type EntryWriterParts,
} from '../../../src/workers/run/transfer/entry-writer.js';

test('a signal leaves the phase and the numbers as they are', async () => {
  const events: RunEvent[] = [];
  const stop = new AbortController();
  const progress = new TransferProgress(
    {
      job: { from: {}, to: {} },
      plan: { unchanged: 0 },
      tally: { copied: 0 },
      emit: (event: RunEvent) => events.push(event),
    } as unknown as ConstructorParameters<typeof TransferProgress>[0],
    stop,
  );
  const { signal } = stop;
  const writer = new EntryWriter({
    context: { signal },
    progress,
    stop,
  } as unknown as EntryWriterParts);
  const copy = { action: 'copy', source: { size: 5 } } as Copy;
  progress.start([copy, copy]);
  stop.abort(new Error('stopped'));
  for (const path of ['a', 'b'])
    await expect(writer.guarded(path, () => Promise.reject(signal.reason))).rejects.toThrow(
      'stopped',
    );
  progress.end();
  expect(events.at(-1)).toMatchObject({
    phase: 'transfer',
    files: { done: 0, total: 2 },
    bytes: { done: 0, total: 10 },
  });
});
