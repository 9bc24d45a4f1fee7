/**
 * STATE/state.json: which jobs.yml a state folder belongs to, and the version of its format. Two
 * jobs.yml never share a folder: their jobs may have the same names, and thus the same locks,
 * reports, pauses and doubts.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import { FerryError } from '../core/errors.js';
import { present } from '../core/present.js';
import { escapeText } from '../core/text.js';
import { recordFile } from './layout.js';
import { anyHolderOf } from './lock.js';
import { createWhole, writeWhole } from './write-whole.js';

/** The version that this program writes. Folders of earlier programs have no record: version 0, with the same entries. */
const stateFormat = 1;

interface StateRecord {
  readonly format: number;
  /** Absolute path of the jobs.yml; absent in the folder of ad hoc runs. */
  readonly config?: string;
}

/** How a folder came to belong to a jobs.yml; `from` is the one it belonged to before, which is gone. */
export type Claim =
  | { readonly how: 'known' | 'unrecorded' }
  | { readonly how: 'orphaned'; readonly from: string };

/** What a folder records; undefined for one without a record, or with a damaged one. Rejects with the system's error if it can't be read. */
export async function readRecord(state: string): Promise<StateRecord | undefined> {
  let text: string;
  try {
    text = await readFile(recordFile(state), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    const { format, config } = JSON.parse(text) as Partial<Record<string, unknown>>;
    if (typeof format !== 'number' || !Number.isInteger(format)) return undefined;
    return { format, ...present({ config: typeof config === 'string' ? config : undefined }) };
  } catch {
    return undefined;
  }
}

/**
 * Checks that a folder may be used with a jobs.yml (undefined: for ad hoc runs), and changes nothing.
 * Errors: `busy` when it belongs to another one that exists, `config` when a newer ferryline wrote it.
 */
export async function checkRecord(state: string, config: string | undefined): Promise<Claim> {
  const record = await readRecord(state);
  if (record === undefined) return { how: 'unrecorded' };
  if (record.format > stateFormat) throw tooNew(state, record.format);
  if (record.config === undefined) return { how: config === undefined ? 'known' : 'unrecorded' };
  if (config !== undefined && (await isSameFile(record.config, config))) return { how: 'known' };
  if (await isGone(record.config)) return { how: 'orphaned', from: record.config };
  throw another(state, record.config, config);
}

/**
 * Makes a folder that exists belong to a jobs.yml (undefined: to ad hoc runs) and to nothing else.
 * Of several processes at once, one gets it. Errors: as above, and the system's; `busy` also when the
 * jobs.yml that it belonged to is gone, but a process still uses the folder, such as its daemon.
 */
export async function claimFolder(state: string, config: string | undefined): Promise<Claim> {
  const record: StateRecord = { format: stateFormat, ...present({ config }) };
  const text = `${JSON.stringify(record)}\n`;
  for (;;) {
    const claim = await checkRecord(state, config);
    if (claim.how === 'known') return claim;
    if (claim.how === 'orphaned') {
      const holder = await anyHolderOf(state);
      if (holder !== undefined) throw inUse(state, claim.from, holder);
    }
    const isFree = claim.how === 'unrecorded' && !(await hasRecord(state));
    if (!isFree) {
      await writeWhole(recordFile(state), text);
      return claim;
    }
    if (await createWhole(recordFile(state), text)) return claim;
    // Another process made one in this moment; it decides.
  }
}

async function hasRecord(state: string): Promise<boolean> {
  return stat(recordFile(state)).then(
    () => true,
    () => false,
  );
}

/** Whether two paths name one file, perhaps by way of links. */
async function isSameFile(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  try {
    return (await realpath(one)) === (await realpath(other));
  } catch {
    return false;
  }
}

/** A file behind a folder that can't be entered counts as existing. */
async function isGone(file: string): Promise<boolean> {
  try {
    await stat(file);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR';
  }
}

function another(state: string, owner: string, config: string | undefined): FerryError {
  const ours = config === undefined ? 'ad hoc runs' : escapeText(config);
  return new FerryError(
    'busy',
    `the state folder ${escapeText(state)} belongs to ${escapeText(owner)}, not to ${ours}`,
    {
      code: 'ANOTHER_CONFIG',
      hint: `give each jobs.yml a state folder of its own (FERRYLINE_STATE_DIR, or \`stateDir\` in jobs.yml); if ${escapeText(owner)} is no longer used, remove it or ${escapeText(recordFile(state))}`,
    },
  );
}

function inUse(state: string, owner: string, pid: string): FerryError {
  return new FerryError(
    'busy',
    `the state folder ${escapeText(state)} belonged to ${escapeText(owner)}, which no longer exists, but process ${pid} still uses it`,
    {
      code: 'ANOTHER_CONFIG',
      hint: 'stop that process (a daemon: start it again with --config), or move jobs.yml back',
    },
  );
}

function tooNew(state: string, format: number): FerryError {
  return new FerryError(
    'config',
    `the state folder ${escapeText(state)} has format ${format}; this version of ferryline knows formats up to ${stateFormat}`,
    { hint: 'use the newer version that wrote it, or another folder' },
  );
}
