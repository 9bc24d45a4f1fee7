/**
 * Holds the invariants of docs/faults.md ("What holds at every moment") against a run: it looks at the disk
 * before each request, and after the run (ends.ts).
 */
import type { Asked } from '../kit/servers/hostile-folder.js';
import type { Case, Change } from './case.js';
import { found, isFile } from './disk.js';
import { checkConverged, checkEnd, isIdle } from './ends.js';
import { changesSomething, type Faults, finalName } from './misbehaviour.js';
import { isInScope, lookEqual, replacesAtOnce } from './rules.js';
import { type Course, View } from './view.js';
import type { Ended, World } from './world.js';

export class Watch {
  readonly #view: View;
  readonly #world: World;
  /** Whether the last request may have changed something. */
  #mayHaveChanged = false;

  constructor(world: World, drawn: Case, faults: Faults) {
    this.#view = new View(world, drawn, faults);
    this.#world = world;
  }

  get wrong(): string[] {
    return this.#view.wrong;
  }

  begin(): void {
    const view = this.#view;
    view.run++;
    view.source = found(this.#world.source);
    const ours: string[] = [];
    view.destination = found(this.#world.destination, ours);
    view.faultsBefore = view.faults.done.length;
    view.courses = new Map();
    for (const path of [...view.source.keys(), ...view.destination.keys()]) view.course(path);
    // what an earlier run left aside may get its name back
    for (const path of ours.filter((name) => name.endsWith('.ferryold')))
      view.course(finalName(path)).destination.add(view.now('destination', path));
    this.#noteTwins();
  }

  /** Before a request: what those before it have done. */
  look(asked: Asked): void {
    this.#confined(asked);
    if (this.#mayHaveChanged || !this.#world.isRemoteDestination)
      for (const [path, course] of this.#view.courses) this.#lookAt(path, course);
    this.#mayHaveChanged = changesSomething(asked);
    if (asked.type !== 'LSTAT' || !asked.at.startsWith(below)) return;
    const course = this.#view.courses.get(asked.at.slice(below.length));
    if (course?.destinationChanged === false) course.wasLookedAt = true;
  }

  /** Somebody else has changed a path. */
  changed({ side, path }: Pick<Change, 'side' | 'path'>): void {
    // a folder for it may be new, too
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      const course = this.#view.course(at);
      const now = this.#view.now(side, at);
      course[side].add(now);
      if (side === 'source') course.sourceChanged = true;
      else {
        course.destinationChanged = true;
        course.left = now;
        course.wasPlanned = this.#world.isPlanned;
      }
    }
    this.#noteTwins();
  }

  ended(end: Ended): void {
    for (const [path, course] of this.#view.courses) this.#lookAt(path, course);
    checkEnd(this.#view, end);
  }

  isIdle(end: Ended): boolean {
    return isIdle(end);
  }

  /** After the last run without faults. */
  converged(last: Ended): void {
    checkConverged(this.#view, last);
  }

  #noteTwins(): void {
    const source = found(this.#world.source);
    for (const [path, theirs] of found(this.#world.destination)) {
      const ours = source.get(path);
      if (ours !== undefined && lookEqual(this.#view.drawn, ours, theirs))
        this.#view.twins.add(path);
    }
  }

  // ---- 1: the final names, at every instant ----

  #lookAt(path: string, course: Course): void {
    const view = this.#view;
    const now = view.now('destination', path);
    if (isFile(now)) {
      if (course.destination.has(now) || course.source.has(now)) return;
      const follows = view.drawn.options.symlinks === 'follow' && view.isLinked(path);
      if (follows && [...view.courses.values()].some(({ source }) => source.has(now))) return;
      view.say('1 atomic view', `${path} is ${now} at the destination`);
    } else if (now === 'none' && this.#mustStand(path, course))
      view.say('1 atomic view', `${path} is nowhere at the destination`);
  }

  /** Whether a file of both sides has to be at the destination throughout. */
  #mustStand(path: string, course: Course): boolean {
    const view = this.#view;
    const was = view.destination.get(path)?.word ?? 'none';
    const ours = view.source.get(path)?.word ?? 'none';
    if (course.sourceChanged || course.destinationChanged || !isFile(was) || !isFile(ours))
      return false;
    if (view.hasConflict() || view.isUnderChange(path) || !isInScope(view.drawn, path))
      return false;
    return replacesAtOnce(view.drawn) || !view.stands(path, was);
  }

  // ---- 5: confinement ----

  #confined(asked: Asked): void {
    if (!changesSomething(asked)) return;
    for (const path of asked.type === 'SYMLINK' ? [asked.path] : [asked.path, asked.to]) {
      const isInside =
        path === '' ||
        /^\/(?:destination|archive)(?:\/|$)/.test(path) ||
        path.startsWith('/source/') ||
        // whether names differ in case is probed beside a root that is not there yet
        /^\/\.[^/]*ferry[^/]*$/i.test(path);
      if (!isInside) this.#view.say('5 confinement', `${asked.type} ${path}`);
    }
  }
}

const below = '/destination/';
