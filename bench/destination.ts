/** What the destination contains before each run of a case, and whether it is right afterwards. */
import { execFileSync } from 'node:child_process';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.js';
import { churn } from './churn.js';
import { difference, marksOf, touched } from './compare.js';

export interface Destination {
  /** Makes it what the case wants, whatever an earlier run left. */
  putBack(): void;
  /** Renames the source's folders, once a run has copied them. */
  move?(): void;
  /** What is wrong with it after a run, or undefined. */
  wrong(): string | undefined;
  /** A run was stopped: what it left is nothing to go on from. */
  spoilt(): void;
}

/** The destination `to` of the work at `from`. */
export function destinationOf(kind: Case['destination'], from: string, to: string): Destination {
  const remove = () => rmSync(to, { recursive: true, force: true });
  const whole = () => {
    remove();
    execFileSync('cp', ['-a', from, to]); // folders' mtimes too, which rsync would mend
  };
  const equals = () => difference(from, to);
  if (kind === 'missing') return { putBack: remove, wrong: equals, spoilt: remove };
  if (kind === 'moved') {
    const rename = (before: string, after: string) => {
      for (const name of readdirSync(from))
        if (name.startsWith(before))
          renameSync(join(from, name), join(from, name.replace(before, after)));
    };
    return {
      putBack() {
        rename('moved-', '');
        remove();
      },
      move: () => rename('folder-', 'moved-folder-'),
      wrong: equals,
      spoilt: remove,
    };
  }

  whole();
  if (kind === 'churned') {
    const files = readdirSync(from, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath.slice(from.length), entry.name))
      .sort();
    return { putBack: () => churn(files, from, to), wrong: equals, spoilt: whole };
  }
  let marks = marksOf(to);
  return {
    putBack: () => {},
    wrong: () => touched(marks, to),
    spoilt() {
      whole();
      marks = marksOf(to);
    },
  };
}
