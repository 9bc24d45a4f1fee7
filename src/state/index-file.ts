/**
 * The file runs.index: how lines are added to it, and how it is made again from the reports.
 *
 * Any process adds lines, with O_APPEND. Only the daemon that holds the state folder replaces the
 * file. A process that adds a line looks whether the file was replaced meanwhile, and then adds it
 * once more; the one that replaces it takes over what was added to the old file until then. So no line
 * is lost, and one may be there twice, which means the same.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import {
  idleReportFile,
  indexFile,
  jobReportsFolder,
  reportFile,
  reportsFolder,
} from './layout.js';
import { makeFolder } from './make-folder.js';
import { type NamedReport, namedReport, readReportFileSync } from './report-files.js';
import { type IndexedRun, indexedRun, type RunLine, readLine, textOfLine } from './run-line.js';
import { RunTable } from './run-table.js';
import { writeWhole } from './write-whole.js';

/** The file is replaced rarely: a second time within one addition means that something is wrong. */
const mostTries = 5;

/**
 * Adds lines to the index, unless there is none: the daemon then makes it from the reports. An index
 * that can't be written is removed for the same reason. Never rejects.
 */
export async function addToIndex(state: string, lines: readonly RunLine[]): Promise<void> {
  const file = indexFile(state);
  // It starts with a line end: what a killed process left half written is a line of its own.
  const text = `\n${lines.map((line) => textOfLine(line) ?? '').join('')}`;
  try {
    for (let tries = 0; tries < mostTries; tries++) if (add(file, text)) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    await rm(file, { force: true }).catch(() => {});
  }
}

/** Adds the text; false if the file was replaced meanwhile. It does not yield: five calls for a line cost more through Node's threads than they take. */
function add(file: string, text: string): boolean {
  const fd = openSync(file, constants.O_WRONLY | constants.O_APPEND);
  try {
    writeFileSync(fd, text);
    return fstatSync(fd).ino === statSync(file).ino;
  } finally {
    closeSync(fd);
  }
}

/** The runs of which reports are kept, as the lines of a whole index. */
export interface RebuiltIndex {
  readonly text: string;
  /** Why the file could not be written; absent if it was, or says this already. */
  readonly unwritten?: string;
}

/**
 * Makes the index say what the names in the folders of reports say, without what is superseded. Only
 * reports that it does not know are read. It reads without yielding, so it is for a thread of its own.
 * The caller holds the state folder. Rejects with the system's error when the folders can't be read.
 */
export async function rebuildIndex(state: string): Promise<RebuiltIndex> {
  const file = indexFile(state);
  let old: FileHandle | undefined;
  let text = '';
  try {
    await makeFolder(state);
    // Made before the folders are read: what another process adds meanwhile is taken over.
    old = await open(file, 'a+', 0o600);
    const before = await readToEnd(old, 0);
    text = textOfFolders(state, tableOf(before.toString('utf8')));
    if (before.equals(Buffer.from(text))) return { text };
    await writeWhole(file, text);
    const added = await readToEnd(old, before.length);
    if (added.length > 0) add(file, added.toString('utf8'));
    return { text };
  } catch (error) {
    if (text === '') text = textOfFolders(state, new RunTable());
    return { text, unwritten: (error as Error).message };
  } finally {
    await old?.close();
  }
}

/** The runs of an index. Lines that make no sense are passed over. */
export function tableOf(text: string): RunTable {
  const table = new RunTable();
  for (const one of text.split('\n')) {
    const line = readLine(one);
    if (line !== undefined) table.apply(line);
  }
  return table;
}

function textOfFolders(state: string, known: RunTable): string {
  const found: IndexedRun[] = [];
  for (const job of namesIn(reportsFolder(state)))
    for (const name of namesIn(jobReportsFolder(state, job))) {
      const named = namedReport(name);
      const run = named && indexedOf(state, job, named, known);
      if (run !== undefined) found.push(run);
    }
  // In order, so that a reader adds each at the end of what it has.
  found.sort((a, b) => (a.run < b.run ? -1 : 1));
  return found.map((run) => textOfLine(run) ?? '').join('');
}

function indexedOf(
  state: string,
  job: string,
  { run, idle }: NamedReport,
  known: RunTable,
): IndexedRun | undefined {
  const kept = known.named(run).find((one) => one.job === job && one.idle === idle);
  if (kept !== undefined) return kept;
  const file = (idle ? idleReportFile : reportFile)(state, job, run);
  const report = readReportFileSync(file, { run, job });
  return report && { ...indexedRun(report), idle };
}

/** The names in a folder; none if it is missing or no folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

async function readToEnd(handle: FileHandle, from: number): Promise<Buffer> {
  const { size } = await handle.stat();
  const buffer = Buffer.alloc(Math.max(0, size - from));
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, from + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
