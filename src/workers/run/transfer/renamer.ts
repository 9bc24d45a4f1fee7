/**
 * Renames files at the destination (`renames: follow`). A file whose name another one takes keeps it until then: it
 * gets a second name, a temporary one, and all of these are made before any file is replaced. So files may take each
 * other's names, in a row or in a circle, and no name is without a whole file at any moment.
 */
import { each } from '../../../core/at-once.js';
import type { Stat } from '../../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import { ignoreRefusal } from '../../../endpoints/set-stat-refusal.js';
import type { Copy, Rename } from '../../../jobs/plan/plan.js';
import { inRows } from '../../../jobs/plan/renames.js';
import { agrees, changedThereCode } from '../copy/agrees.js';
import type { CopyContext } from '../copy/copy-context.js';
import { attributesFor } from '../copy/finish.js';
import { giveFinalName, publish } from '../copy/temporary.js';
import { markOf, temporaryPath } from '../copy/temporary-names.js';
import type { Origins } from '../remembered/origins.js';
import type { Tally } from '../tally.js';
import type { EntryWriter } from './entry-writer.js';

export interface RenamerParts {
  readonly context: CopyContext;
  readonly writer: EntryWriter;
  readonly tally: Tally;
  readonly origins: Origins;
  /** Renames in hand; further ones wait. */
  readonly atOnce: number;
}

/** Renames after which the record of origins is written once more: each of its writes waits for the disk. */
const renamesPerWrite = 1000;

/** By rename, the temporary name of a file that stays, and what it is there. */
type Seconds = ReadonlyMap<Rename, { readonly path: string; readonly stat: Stat }>;

/** Carries out the renames; resolves to those that have to be copies, since the side refused them, and to the paths of the files that were not moved. */
export async function renameAll(
  renames: readonly Rename[],
  parts: RenamerParts,
): Promise<{ readonly copies: readonly Copy[]; readonly left: ReadonlySet<string> }> {
  const { atOnce, writer, origins } = parts;
  const copies: Copy[] = [];
  const seconds = new Map<Rename, { path: string; stat: Stat }>();
  const stay = renames.filter(({ stays }) => stays);
  await each(stay, atOnce, (rename) =>
    writer.guarded(rename.path, async () => {
      const second = await secondName(rename, parts.context);
      if (second === undefined) copies.push(asCopy(rename));
      else seconds.set(rename, second);
    }),
  );
  const isReady = (rename: Rename) => !rename.stays || seconds.has(rename);
  const ready = renames.filter(isReady);
  // copies follow at these paths
  await origins.forget(renames.filter((it) => !isReady(it)).flatMap(pathsOf));
  const left = new Set(renames.map(({ at }) => at));
  for (const rows of batchesOf(inRows(ready)))
    copies.push(...(await renameRows(rows, seconds, left, parts)));
  return { copies, left };
}

const pathsOf = ({ at, path }: Rename) => [at, path];

function batchesOf(rows: readonly Rename[][]): Rename[][][] {
  const batches: Rename[][][] = [];
  let room = 0;
  for (const row of rows) {
    if (room <= 0) {
      batches.push([]);
      room = renamesPerWrite;
    }
    batches.at(-1)?.push(row);
    room -= row.length;
  }
  return batches;
}

/** Carries out rows of renames, and takes from `left` the paths of the files that were moved; resolves to those that the side refused. */
async function renameRows(
  rows: readonly (readonly Rename[])[],
  seconds: Seconds,
  left: Set<string>,
  parts: RenamerParts,
): Promise<Copy[]> {
  const { atOnce, writer, origins } = parts;
  const copies: Copy[] = [];
  const known = origins.open();
  const before = new Map(rows.flat().map(({ at }) => [at, known.get(at)]));
  await origins.forget(rows.flat().flatMap(pathsOf));
  await each(rows, atOnce, async (row) => {
    for (const rename of row)
      await writer.guarded(rename.path, async () => {
        const { at, path } = rename;
        // a file that is not under its new name yet is lost where it is replaced, unless the trash keeps it
        const second = seconds.get(rename);
        const isDone = await finishRename(rename, second, !left.has(path), parts).then(
          () => true,
          (error) => {
            if (second !== undefined || !isRefusal(error)) throw error;
            return false;
          },
        );
        // the old name goes with the next run's deletions
        if (!isDone) return void copies.push(asCopy(rename));
        left.delete(at);
        const origin = before.get(at);
        if (origin !== undefined) origins.renamed(path, origin);
      });
  });
  return copies;
}

/** Whether a side has the file as it was and does not rename it, such as to another file system below its root. */
function isRefusal(error: unknown): boolean {
  return error instanceof FerryError && error.kind === 'io' && error.code !== 'ENOENT';
}

/** Gives a file a second name, beside its final one; undefined where the side makes none. */
async function secondName(
  { path, at, seen }: Rename,
  { destination, writer, rules, orphans, signal }: CopyContext,
): Promise<{ path: string; stat: Stat } | undefined> {
  const temporary = temporaryPath(path, markOf(writer, [at, path]), rules.start);
  orphans.add(temporary);
  const stat = await destination.link(at, temporary, signal).catch((thrown) => {
    if (endsRun(asFerryError(thrown).kind)) throw thrown;
    return undefined;
  });
  if (stat === undefined) return undefined;
  if (!agrees(stat, seen)) throw changedBefore(at);
  return { path: temporary, stat };
}

async function finishRename(
  rename: Rename,
  second: { readonly path: string; readonly stat: Stat } | undefined,
  hasMovedOn: boolean,
  { context, tally }: RenamerParts,
): Promise<void> {
  const { at, path, from, source, destination } = rename;
  const stored = second?.stat ?? (await lookAt(rename, context));
  const mark = markOf(context.writer, [at, path]);
  const final = {
    path,
    from,
    destination,
    ...(rename.movesOn && hasMovedOn ? { movesOn: true as const } : {}),
  };
  // the second name stays an orphan: rename(2) leaves both names where they are of one file
  if (second === undefined) await giveFinalName({ temporary: at, stored, mark }, final, context);
  else await publish({ temporary: second.path, stored, mark }, final, context);
  await setMode(rename, context);
  context.times?.published(path, source.mtime, stored.mtime);
  tally.renamed++;
  tally.file('rename', path, { from: at });
}

/** Gives the file the mode that a copy would have. */
async function setMode({ path, source, seen, destination: old }: Rename, context: CopyContext) {
  const { destination, rules, signal } = context;
  const { mode } = attributesFor(source, old, rules.modes);
  if (mode === undefined || (seen.mode !== undefined && (seen.mode & 0o777) === mode)) return;
  await destination.setStat(path, { mode }, signal).catch(ignoreRefusal);
}

/** The stat of the file that is to be renamed; throws if it is no longer what the plan saw. */
async function lookAt({ at, seen }: Rename, { destination, signal }: CopyContext): Promise<Stat> {
  const now = await destination.stat(at, signal);
  if (now === undefined || !agrees(now, seen)) throw changedBefore(at);
  return now;
}

function changedBefore(path: string): FerryError {
  return new FerryError(
    'changed',
    'the file that was to be renamed changed at the destination since it was listed, so it was left',
    { path, code: changedThereCode, hint: 'the next run looks at both sides again' },
  );
}

/** The copy that is made where a rename is refused. */
function asCopy({ path, from, source, destination }: Rename): Copy {
  return { action: 'copy', path, from, source, destination, reason: 'renamed' };
}
