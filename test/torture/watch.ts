/**
 * Holds the invariants of docs/faults.md ("What holds at every moment") against a run: it looks at the
 * disk before each request and at the run's end. What a run should have done is worked out here anew,
 * from the drawn options alone, and shares no code with the product.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Asked } from '../kit/servers/hostile-folder.js';
import type { Case, Change, Fault } from './case.js';
import { type Found, found, isFile, type Word, wordOf } from './disk.js';
import { changesSomething, type Faults } from './misbehaviour.js';
import type { Ended, World } from './world.js';

/** Mtimes that differ by less may be equal to a server, or stored otherwise than they were sent. */
const nearSeconds = 5000;

/** One path while a run goes on. */
interface Course {
  /** Everything that the source held there during the run. */
  readonly source: Set<Word>;
  /** What the destination held there before the run, and what others put there. */
  readonly destination: Set<Word>;
  sourceChanged: boolean;
  destinationChanged: boolean;
}

export class Watch {
  readonly wrong: string[] = [];
  readonly #world: World;
  readonly #case: Case;
  readonly #faults: Faults;
  #source = new Map<string, Found>();
  #destination = new Map<string, Found>();
  #courses = new Map<string, Course>();
  #faultsBefore = 0;
  #run = 0;
  /** Whether the last request may have changed something. */
  #mayHaveChanged = false;
  /** Paths whose two files once looked equal and were not: no run needs to copy them. */
  readonly #twins = new Set<string>();

  constructor(world: World, drawn: Case, faults: Faults) {
    this.#world = world;
    this.#case = drawn;
    this.#faults = faults;
  }

  begin(): void {
    this.#run++;
    this.#source = found(this.#world.source);
    this.#destination = found(this.#world.destination);
    this.#faultsBefore = this.#faults.done.length;
    this.#courses = new Map();
    for (const path of this.#source.keys()) this.#course(path);
    for (const path of this.#destination.keys()) this.#course(path);
    this.#noteTwins();
  }

  /** Before a request: what those before it have done. */
  look(asked: Asked): void {
    this.#confined(asked);
    if (this.#mayHaveChanged || !this.#world.isRemoteDestination)
      for (const [path, course] of this.#courses) this.#lookAt(path, course);
    this.#mayHaveChanged = changesSomething(asked);
  }

  /** Somebody else has changed a path. */
  changed({ side, path }: Change): void {
    // a folder for it may be new, too
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      const course = this.#course(at);
      course[side].add(wordOf(join(this.#world[side], at)));
      if (side === 'source') course.sourceChanged = true;
      else course.destinationChanged = true;
    }
    this.#noteTwins();
  }

  ended({ report }: Ended): void {
    for (const [path, course] of this.#courses) this.#lookAt(path, course);
    this.#canaries();
    this.#honest({ report, events: [] });
    this.#keptWhatIsOutside();
    this.#deletions();
    this.#sources();
    if (report.exitCode === 0) this.#truthful();
    else this.#mayFail({ report, events: [] });
  }

  isIdle({ report }: Ended): boolean {
    const { copied, attrs, deleted } = report.files;
    return report.exitCode === 0 && copied + attrs + deleted === 0;
  }

  /** After the last run without faults: both sides agree, and there was nothing left to do. */
  converged(last: Ended): void {
    if (this.#hasConflict()) return;
    if (!this.isIdle(last)) {
      const { exitCode, files, failures, error } = last.report;
      this.#say(
        '6 convergence',
        `does not end: ${JSON.stringify({ exitCode, files, failures, error })}`,
      );
      return;
    }
    this.#truthful();
    if (this.#case.operation !== 'mirror') return;
    const source = found(this.#world.source);
    for (const [path, { word }] of found(this.#world.destination))
      if (isFile(word) && this.#inScope(path) && !isFile(source.get(path)?.word ?? 'none'))
        this.#say('6 convergence', `${path} is still at the destination`);
  }

  #say(invariant: string, what: string): void {
    const text = `run ${this.#run}: ${invariant}: ${what}`;
    if (!this.wrong.includes(text)) this.wrong.push(text);
  }

  #course(path: string): Course {
    const known = this.#courses.get(path);
    if (known !== undefined) return known;
    const word = (side: Map<string, Found>) => side.get(path)?.word ?? 'none';
    const course: Course = {
      source: new Set([word(this.#source)]),
      destination: new Set([word(this.#destination)]),
      sourceChanged: false,
      destinationChanged: false,
    };
    this.#courses.set(path, course);
    return course;
  }

  // ---- 1: the final names, at every instant ----

  #lookAt(path: string, course: Course): void {
    const now = wordOf(join(this.#world.destination, path));
    if (isFile(now)) {
      if (course.destination.has(now) || course.source.has(now)) return;
      if (
        this.#case.options.symlinks === 'follow' &&
        course.source.has('link') &&
        this.#isHeld(now)
      )
        return;
      this.#say('1 atomic view', `${path} is ${now} at the destination`);
    } else if (now === 'none' && this.#mustStand(path, course))
      this.#say('1 atomic view', `${path} is nowhere at the destination`);
  }

  #isHeld(word: Word): boolean {
    return [...this.#courses.values()].some(({ source }) => source.has(word));
  }

  /** Whether a file of both sides has to be at the destination throughout. */
  #mustStand(path: string, { sourceChanged, destinationChanged, source }: Course): boolean {
    const was = this.#destination.get(path)?.word ?? 'none';
    if (!isFile(was) || sourceChanged || destinationChanged || !isFile([...source][0] ?? 'none'))
      return false;
    if (this.#hasConflict() || !this.#inScope(path)) return false;
    if (this.#isAtomic()) return true;
    return !this.#stands(path, was);
  }

  #isAtomic(): boolean {
    const { isOpenSsh, extensions, quirks } = this.#case.server;
    if (!this.#world.isRemoteDestination) return true;
    const offered = isOpenSsh || extensions.includes('posix-rename@openssh.com');
    return offered && !quirks.includes('posixRenameRefused') && this.#case.faults.length === 0;
  }

  /** Whether the old bytes are beside their name, or in the trash. */
  #stands(path: string, was: Word): boolean {
    const folder = join(this.#world.destination, path, '..');
    const name = path.split('/').at(-1) as string;
    const beside = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
    const asides = beside.filter((it) => it.startsWith(`.${name}.`) && it.endsWith('.ferryold'));
    return asides.some((it) => wordOf(join(folder, it)) === was) || this.#inTrash(path, was);
  }

  #inTrash(path: string, word: Word): boolean {
    const trash = join(this.#world.destination, '.ferryline/trash');
    const runs = fs.existsSync(trash) ? fs.readdirSync(trash) : [];
    return runs.some((run) => wordOf(join(trash, run, path)) === word);
  }

  // ---- 2: done means done ----

  /** The run ended with 0, so each file of the source is at the destination, unless the rules keep another one there. */
  #truthful(): void {
    for (const [path, { word }] of this.#source) {
      const course = this.#course(path);
      if (!isFile(word) || !this.#inScope(path)) continue;
      if (course.sourceChanged || course.destinationChanged) continue;
      if (this.#isUnderChange(path)) continue;
      const now = wordOf(join(this.#world.destination, path));
      if (now === word || this.#isKept(path)) continue;
      this.#say('2 truthful success', `${path} is ${now}, at the source it was ${word}`);
    }
  }

  /** Whether somebody changed a folder above the path. */
  #isUnderChange(path: string): boolean {
    return [...this.#courses].some(
      ([at, { sourceChanged, destinationChanged }]) =>
        (sourceChanged || destinationChanged) && path.startsWith(`${at}/`),
    );
  }

  /** Whether the rules leave the destination's file as it is. */
  #isKept(path: string): boolean {
    const ours = this.#source.get(path);
    const theirs = this.#destination.get(path);
    if (ours === undefined || theirs === undefined || !isFile(theirs.word)) return false;
    const { existing } = this.#case.options;
    if (existing === 'skip') return true;
    if (existing === 'newer' && theirs.mtime > ours.mtime - nearSeconds) return true;
    return this.#twins.has(path);
  }

  #noteTwins(): void {
    const { compare } = this.#case.options;
    if (compare === 'checksum') return;
    const source = found(this.#world.source);
    for (const [path, theirs] of found(this.#world.destination)) {
      const ours = source.get(path);
      if (ours === undefined || ours.word === theirs.word || ours.size !== theirs.size) continue;
      const ahead = ours.mtime - theirs.mtime;
      const isNear = Math.abs(ahead) < nearSeconds;
      const isOlder = compare === 'auto' && ahead < 0 && this.#losesMtimes();
      if (compare === 'size' || isNear || isOlder) this.#twins.add(path);
    }
  }

  #losesMtimes(): boolean {
    const lost = ['setstatRefused', 'setstatIgnored', 'setstatNoSuchFile', 'mtimeClamped'] as const;
    return lost.some((quirk) => this.#case.server.quirks.includes(quirk));
  }

  // ---- 3 and 4: what is not in the plan stays; deletions need proof ----

  #keptWhatIsOutside(): void {
    const isMirror = this.#case.operation === 'mirror';
    for (const [path, { word }] of this.#destination) {
      const course = this.#course(path);
      const isPlanned = this.#inScope(path) && (isMirror || [...course.source].some(isFile));
      if (!isFile(word) || course.destinationChanged || isPlanned) continue;
      if (this.#isUnderChange(path)) continue;
      const now = wordOf(join(this.#world.destination, path));
      if (now !== word) this.#say('3 no loss', `${path} was ${word} and is ${now}`);
    }
  }

  #deletions(): void {
    const gone = [...this.#destination].filter(
      ([path, { word }]) =>
        isFile(word) &&
        !this.#course(path).destinationChanged &&
        !this.#isUnderChange(path) &&
        wordOf(join(this.#world.destination, path)) !== word &&
        !isFile(wordOf(join(this.#world.destination, path))),
    );
    if (gone.length === 0 || this.#hasConflict()) return;
    const { options, operation } = this.#case;
    for (const [path, { word }] of gone) {
      if (this.#course(path).source.size === 1 && !this.#course(path).source.has('none')) {
        if (!this.#stands(path, word)) this.#say('4 deletions', `${path} is at the source`);
        continue;
      }
      if (operation !== 'mirror') this.#say('4 deletions', `${path} was deleted by no mirror`);
      if (this.#run === 1 && !options.approved)
        this.#say('4 deletions', `${path} was deleted at the first contact`);
      if (options.trash && !this.#inTrash(path, word))
        this.#say('4 deletions', `${path} is not in the trash`);
      for (const { fault, asked } of this.#faults.done.slice(this.#faultsBefore))
        if (isFailedListing(fault, asked))
          this.#say('4 deletions', `${path} was deleted although listing ${asked.at} failed`);
      this.#allCopied(path);
    }
  }

  /** Something was deleted, so every copy was made before. */
  #allCopied(deleted: string): void {
    for (const [path, { word }] of this.#source) {
      const course = this.#course(path);
      if (!isFile(word) || !this.#inScope(path) || course.sourceChanged) continue;
      if (course.destinationChanged || this.#isKept(path) || this.#isUnderChange(path)) continue;
      if (wordOf(join(this.#world.destination, path)) !== word)
        this.#say('4 deletions', `${deleted} was deleted although ${path} was not copied`);
    }
  }

  /** `after` lets go of a source file only when its very bytes are at the destination. */
  #sources(): void {
    const { after } = this.#case.options;
    const mayGo = after !== 'keep' && this.#case.operation !== 'mirror';
    for (const [path, { word }] of this.#source) {
      const course = this.#course(path);
      if (!isFile(word) || course.sourceChanged || this.#isUnderChange(path)) continue;
      const now = wordOf(join(this.#world.source, path));
      if (now === word) continue;
      if (!mayGo || now !== 'none') {
        this.#say('3 no loss', `${path} was ${word} at the source and is ${now}`);
        continue;
      }
      const there = wordOf(join(this.#world.destination, path));
      if (there !== word && !course.destinationChanged)
        this.#say('3 no loss', `${path} left the source, and the destination has ${there}`);
      if (after === 'archive' && !this.#isArchived(path, word))
        this.#say('3 no loss', `${path} left the source and is not in the archive`);
    }
  }

  #isArchived(path: string, word: Word): boolean {
    const names = ['', '.1', '.2', '.3', '.4'];
    return names.some((suffix) => wordOf(join(this.#world.archive, path + suffix)) === word);
  }

  // ---- 5: confinement ----

  #confined(asked: Asked): void {
    if (!changesSomething(asked)) return;
    for (const path of [asked.path, asked.to]) {
      const isInside =
        path === '' ||
        /^\/(?:destination|archive)(?:\/|$)/.test(path) ||
        path.startsWith('/source/');
      if (!isInside && asked.type !== 'SYMLINK')
        this.#say('5 confinement', `${asked.type} ${path}`);
    }
  }

  #canaries(): void {
    for (const canary of this.#world.canaries) {
      const names = fs.readdirSync(canary);
      if (names.join() !== 'secret' || fs.readFileSync(join(canary, 'secret'), 'utf8') !== 'secret')
        this.#say('5 confinement', `${canary} was changed`);
    }
  }

  // ---- 10: what the report says ----

  #honest({ report }: Ended): void {
    const { exitCode, failures, error, files, outcome } = report;
    if (exitCode === 1) this.#say('10 honest report', `a defect: ${JSON.stringify(error)}`);
    if (exitCode === 0 && (failures.length > 0 || error !== undefined || files.failed > 0))
      this.#say('10 honest report', `0 with failures ${JSON.stringify(failures)}`);
    if (exitCode === 3 && failures.length === 0 && error === undefined)
      this.#say('10 honest report', '3 without a failure');
    if ((exitCode === 0) !== (outcome === 'succeeded'))
      this.#say('10 honest report', `${exitCode} is ${outcome}`);
    const named = failures.map(({ path }) => path);
    const twice = named.filter((path, at) => named.indexOf(path) !== at);
    if (twice.length > 0) this.#say('10 honest report', `named twice: ${twice.join(', ')}`);
  }

  /** A run that did not succeed had a reason: a fault, a change, a conflict, or the guard. */
  #mayFail({ report }: Ended): void {
    const { exitCode, failures, error } = report;
    const met = this.#faults.done.length > this.#faultsBefore;
    const changed = [...this.#courses.values()].some(
      ({ sourceChanged, destinationChanged }) => sourceChanged || destinationChanged,
    );
    const isGuarded = exitCode === 7 && this.#case.operation === 'mirror' && this.#run === 1;
    if (met || changed || isGuarded || this.#hasConflict()) return;
    this.#say(
      '10 honest report',
      `no reason for ${exitCode}: ${JSON.stringify({ failures, error })}`,
    );
  }

  // ---- what the options mean ----

  #inScope(path: string): boolean {
    const { include, exclude } = this.#case.options;
    const name = path.split('/').at(-1) as string;
    if (exclude.includes('*.tmp') && name.endsWith('.tmp')) return false;
    if (exclude.includes('/b') && path === 'b') return false;
    if (exclude.includes('skip/') && path.startsWith('skip/')) return false;
    return include.length === 0 || name.endsWith('.txt') || path.split('/').includes('a');
  }

  /** Whether the two sides have entries of different kinds in each other's way. */
  #hasConflict(): boolean {
    const kind = (word: Word) => (isFile(word) ? 'file' : word);
    for (const [path, { word }] of this.#source) {
      const theirs = this.#destination.get(path)?.word;
      if (theirs !== undefined && kind(theirs) !== kind(word)) return true;
    }
    return false;
  }
}

/** Whether a folder of a side could not be listed, however often it was tried. */
function isFailedListing({ what, lasts }: Fault, { type, at }: Asked): boolean {
  const isListing = type === 'OPENDIR' || type === 'READDIR';
  const isOfTree = /^\/(?:source|destination)(?:\/|$)/.test(at) && !at.includes('/.ferryline');
  return isListing && isOfTree && lasts && !what.startsWith('cut');
}
