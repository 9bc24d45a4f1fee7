/** What the checks of a run see: both sides before it, and the course of each path while it went on. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Case } from './case.js';
import { isFile, type Word, wordBelow, wordOf } from './disk.js';
import type { Faults } from './misbehaviour.js';
import { type Entries, haveConflict, isInScope, isLeft } from './rules.js';
import type { World } from './world.js';

/** One path while a run goes on. */
export interface Course {
  /** Everything that the source held there during the run. */
  readonly source: Set<Word>;
  /** What the destination held there before the run, and what others put there. */
  readonly destination: Set<Word>;
  sourceChanged: boolean;
  destinationChanged: boolean;
  /** What somebody else last left at the destination; undefined: nobody was there. */
  left?: Word;
  /** Whether that was after the plan was made. */
  wasPlanned: boolean;
  /** Whether the destination's entry was looked at before somebody else changed it: a change then may not be seen. */
  wasLookedAt: boolean;
}

export class View {
  readonly world: World;
  readonly drawn: Case;
  readonly faults: Faults;
  readonly wrong: string[] = [];
  source: Entries = new Map();
  destination: Entries = new Map();
  courses = new Map<string, Course>();
  /** Paths whose two files once looked equal and were not: no run needs to copy them. */
  readonly twins = new Set<string>();
  /** Old files that a run left aside: a later one has to move them to the trash. */
  readonly aside: { readonly path: string; readonly word: Word }[] = [];
  /** Faults that had happened before this run. */
  faultsBefore = 0;
  run = 0;

  constructor(world: World, drawn: Case, faults: Faults) {
    this.world = world;
    this.drawn = drawn;
    this.faults = faults;
  }

  say(invariant: string, what: string): void {
    const text = `run ${this.run}: ${invariant}: ${what}`;
    if (!this.wrong.includes(text)) this.wrong.push(text);
  }

  course(path: string): Course {
    const known = this.courses.get(path);
    if (known !== undefined) return known;
    const word = (side: Entries) => side.get(path)?.word ?? 'none';
    const course: Course = {
      source: new Set([word(this.source)]),
      destination: new Set([word(this.destination)]),
      sourceChanged: false,
      destinationChanged: false,
      wasPlanned: false,
      wasLookedAt: false,
    };
    this.courses.set(path, course);
    return course;
  }

  now(side: 'source' | 'destination' | 'archive', path: string): Word {
    return wordBelow(this.world[side], path);
  }

  /** The files of the source before the run that are in scope, and that nobody else has touched on either side. */
  *quietFiles(): Generator<readonly [path: string, word: Word]> {
    for (const [path, { word }] of this.source) {
      const { sourceChanged, destinationChanged } = this.course(path);
      if (!isFile(word) || !isInScope(this.drawn, path) || sourceChanged || destinationChanged)
        continue;
      if (!this.isUnderChange(path)) yield [path, word];
    }
  }

  /** Whether somebody changed a folder above the path. */
  isUnderChange(path: string): boolean {
    for (const [at, { sourceChanged, destinationChanged }] of this.courses)
      if ((sourceChanged || destinationChanged) && path.startsWith(`${at}/`)) return true;
    return false;
  }

  /** Whether the source has a link there or above, which may stand for a file or a folder. */
  isLinked(path: string): boolean {
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/'))))
      if (this.course(at).source.has('link')) return true;
    return false;
  }

  /** Whether the rules leave the destination's file as it is. */
  isKept(path: string): boolean {
    const ours = this.source.get(path);
    const theirs = this.destination.get(path);
    if (ours === undefined || theirs === undefined || !isFile(theirs.word)) return false;
    return this.twins.has(path) || isLeft(this.drawn, ours, theirs);
  }

  hasConflict(): boolean {
    return haveConflict(this.drawn, this.source, this.destination);
  }

  /** Whether the old bytes are beside their name, or in the trash. */
  stands(path: string, was: Word): boolean {
    return this.isAside(path, was) || this.isInTrash(path, was);
  }

  isAside(path: string, was: Word): boolean {
    const folder = join(this.world.destination, path, '..');
    const name = path.split('/').at(-1) as string;
    const beside = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
    const asides = beside.filter((it) => it.startsWith(`.${name}.`) && it.endsWith('.ferryold'));
    return asides.some((it) => wordOf(join(folder, it)) === was);
  }

  isInTrash(path: string, word: Word): boolean {
    const trash = join(this.world.destination, '.ferryline/trash');
    const runs = fs.existsSync(trash) ? fs.readdirSync(trash) : [];
    return runs.some((run) => wordOf(join(trash, run, path)) === word);
  }
}
