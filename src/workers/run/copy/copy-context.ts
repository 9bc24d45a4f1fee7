/** What copying files of one run needs, and what it is asked for. */

import type { Budget } from '../../../core/at-once.js';
import type { Stat } from '../../../core/entry.js';
import type { Modes } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import type { Doubts } from '../remembered/doubts.js';
import type { Buffers } from './buffers.js';

interface CopyRules {
  readonly modes: Modes;
  readonly verify: 'size' | 'checksum';
  readonly fsync: boolean;
  /** When the run started, ms since the epoch; part of temporary names. */
  readonly start: number;
}

export interface CopyContext {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly rules: CopyRules;
  /** Bytes in flight over all files. */
  readonly budget: Budget;
  /** What small files are read into. */
  readonly buffers: Buffers;
  /** Files moved chunk by chunk at once: these stay open for long. */
  readonly largeFiles: Budget;
  /** Resolves when so many bytes more may flow; absent where no bandwidth is set. */
  readonly pass: ((bytes: number) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
  /** Told of each chunk that has arrived, bytes; negative when a file starts anew. */
  readonly onBytes: (bytes: number) => void;
  /** Temporary files of earlier runs by fingerprint, newest first, to go on with; taken out when claimed. */
  readonly leftovers: Map<string, readonly string[]>;
  /** Temporary files nobody will go on with, to be removed when the run ends. */
  readonly orphans: Set<string>;
  /** Told of each copy; undefined where no later run will compare it. */
  readonly doubts: Pick<Doubts, 'publishing'> | undefined;
}

export interface CopyRequest {
  readonly path: string;
  /** The source's path. */
  readonly from: string;
  readonly source: Snapshot;
  /** What the final name held when it was scanned. */
  readonly destination: Snapshot | undefined;
}

export interface Copied {
  readonly bytes: number;
  readonly verified: 'checksum' | 'size' | 'none';
  /** The source as it was when its bytes were read. */
  readonly source: Stat;
}
