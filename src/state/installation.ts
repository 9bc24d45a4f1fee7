/**
 * Who writes: the id of an installation, part of the names of temporary files, so that a run knows its
 * own. A state folder has one of its own; the queue in Redis or Postgres has another (queue/installation.ts),
 * which the state folder remembers.
 */
import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { present } from '../core/present.js';
import { installationFile, queueInstallationFile } from './layout.js';
import { createWhole, writeWhole } from './write-whole.js';

/** A new id. */
export function newInstallation(): string {
  return randomBytes(16).toString('hex');
}

/** The ids that this process has read, by file: a process stays who it is. */
const readIds = new Map<string, string>();

/**
 * The id of a state folder; with `make`, it is made if there is none. It depends on the very file that it
 * is kept in, so that a copy of the folder is another installation: both may be at work at once. Where none
 * can be kept or read, the id is a new one each time, which owns nothing.
 */
export async function stateInstallation(state: string, make: boolean): Promise<string> {
  const file = installationFile(state);
  const known = readIds.get(file);
  if (known !== undefined) return known;
  const read = async () => {
    const id = (await readFile(file, 'utf8')).trim();
    const { ino, birthtimeNs } = await stat(file, { bigint: true });
    const whole = `${id}-${ino}-${birthtimeNs}`;
    readIds.set(file, whole);
    return whole;
  };
  try {
    return await read().catch(async (error) => {
      if (!make) throw error;
      await createWhole(file, `${newInstallation()}\n`);
      return read();
    });
  } catch {
    return newInstallation();
  }
}

/** The queue that a state folder used last. */
interface UsedQueue {
  readonly id: string;
  /** Where it is, without secrets. Absent: an earlier version noted none. */
  readonly address?: string;
}

/**
 * Notes which queue the state folder uses, for commands that don't open it, and to notice that it was
 * emptied. A failure only makes the plans of those commands less exact.
 */
export async function rememberQueue(state: string, used: Required<UsedQueue>): Promise<void> {
  const { id, address } = used;
  const known = await usedQueue(state);
  if (known?.id === id && known.address === address) return;
  await writeWhole(queueInstallationFile(state), `${id}\n${address}\n`).catch(() => {});
}

/** Whether the state folder knows the queue at this address by another id, so that it lost its own since then. */
export async function knowsOtherwise(
  state: string,
  { id, address }: Required<UsedQueue>,
): Promise<boolean> {
  const known = await usedQueue(state);
  if (known === undefined || known.id === id) return false;
  return known.address === undefined || known.address === address;
}

/** The id that the state folder remembers of its queue; undefined if none. */
export async function queueInstallation(state: string): Promise<string | undefined> {
  return (await usedQueue(state))?.id;
}

async function usedQueue(state: string): Promise<UsedQueue | undefined> {
  const text = await readFile(queueInstallationFile(state), 'utf8').catch(() => '');
  const [id, address] = text.split('\n').map((line) => line.trim());
  return id ? { id, ...present({ address: address || undefined }) } : undefined;
}
