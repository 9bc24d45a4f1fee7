/** What must hold once a run has ended, whatever happened in it. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Asked } from '../kit/servers/hostile-folder.js';
import type { Fault } from './case.js';
import { found, isFile, wordOf } from './disk.js';
import { changesMtimes, isInScope } from './rules.js';
import type { View } from './view.js';
import type { Ended } from './world.js';

export function isIdle({ report }: Ended): boolean {
  const { copied, attrs, deleted } = report.files;
  return report.exitCode === 0 && copied + attrs + deleted === 0;
}

export function checkEnd(view: View, end: Ended): void {
  checkCanaries(view);
  checkReport(view, end);
  checkOutside(view);
  checkDeletions(view);
  checkReplaced(view, end);
  checkArrived(view, end);
  checkSources(view);
  checkLinks(view, end);
  if (end.report.exitCode === 7 || end.isDry) checkUntouched(view);
  if (end.isDry) return;
  if (end.report.exitCode === 0) {
    checkTruth(view);
    checkGone(view);
  } else checkReason(view, end);
}

/** Both sides agree, and there was nothing left to do. */
export function checkConverged(view: View, last: Ended): void {
  if (view.hasConflict()) return;
  if (!isIdle(last)) {
    const { exitCode, files, failures, error } = last.report;
    const what = JSON.stringify({ exitCode, files, failures, error });
    view.say('6 convergence', `does not end: ${what}`);
    return;
  }
  checkTruth(view);
  const ours: string[] = [];
  found(view.world.destination, ours);
  if (ours.length > 0) view.say('9 bounded', `left behind: ${ours.join(', ')}`);
  for (const { path, word } of view.aside)
    if (!view.isInTrash(path, word))
      view.say('3 no loss', `${path} was set aside, and never moved to the trash`);
  if (view.drawn.operation !== 'mirror') return;
  const source = found(view.world.source);
  for (const [path, { word }] of found(view.world.destination))
    if (isFile(word) && isInScope(view.drawn, path) && !isFile(source.get(path)?.word ?? 'none'))
      view.say('6 convergence', `${path} is still at the destination`);
}

/** 2: the run ended with 0, so each file of the source is at the destination, unless the rules keep another one there. */
function checkTruth(view: View): void {
  for (const [path, word] of view.quietFiles()) {
    const now = view.now('destination', path);
    if (now !== word && !view.isKept(path))
      view.say('2 truthful success', `${path} is ${now}, at the source it was ${word}`);
    const was = view.destination.get(path)?.word;
    if (now !== word || was === now || changesMtimes(view.drawn)) continue;
    const sent = Math.floor(view.source.get(path)?.mtime ?? 0);
    const stored = Math.floor(fs.lstatSync(join(view.world.destination, path)).mtimeMs / 1000);
    if (sent !== stored)
      view.say('2 truthful success', `${path} has the mtime ${stored}, not ${sent}`);
  }
}

/** 2: a mirror that ended with 0 has deleted what only the destination had. */
function checkGone(view: View): void {
  if (view.drawn.operation !== 'mirror' || view.hasConflict()) return;
  for (const [path, { word }] of view.destination) {
    const { source, sourceChanged, destinationChanged } = view.course(path);
    if (!isFile(word) || sourceChanged || destinationChanged || [...source].some(isFile)) continue;
    if (!isInScope(view.drawn, path) || view.isUnderChange(path) || view.isLinked(path)) continue;
    if (isFile(view.now('destination', path)))
      view.say('2 truthful success', `${path} is still at the destination`);
  }
}

/** 3: what is not in the plan stays. */
function checkOutside(view: View): void {
  const isMirror = view.drawn.operation === 'mirror';
  for (const [path, { word }] of view.destination) {
    const course = view.course(path);
    const isPlanned = isInScope(view.drawn, path) && (isMirror || [...course.source].some(isFile));
    if (!isFile(word) || course.destinationChanged || isPlanned) continue;
    if (view.isUnderChange(path) || view.isLinked(path)) continue;
    const now = view.now('destination', path);
    if (now !== word) view.say('3 no loss', `${path} was ${word} and is ${now}`);
  }
}

/** 4: deletions need proof. */
function checkDeletions(view: View): void {
  if (view.hasConflict()) return;
  const { options, operation } = view.drawn;
  for (const [path, { word }] of view.destination) {
    const course = view.course(path);
    if (!isFile(word) || course.destinationChanged || view.isUnderChange(path)) continue;
    if (isFile(view.now('destination', path))) continue;
    if (course.source.size === 1 && isFile([...course.source][0] as string)) {
      if (!view.stands(path, word)) view.say('4 deletions', `${path} is at the source`);
      continue;
    }
    if (operation !== 'mirror') view.say('4 deletions', `${path} was deleted by no mirror`);
    if (view.run === 1 && !options.approved)
      view.say('4 deletions', `${path} was deleted at the first contact`);
    if (options.trash && !view.isInTrash(path, word))
      view.say('4 deletions', `${path} is not in the trash`);
    for (const { fault, asked } of view.faults.done.slice(view.faultsBefore))
      if (isFailedListing(fault, asked))
        view.say('4 deletions', `${path} was deleted although listing ${asked.at} failed`);
    for (const [copy, bytes] of view.quietFiles())
      if (view.now('destination', copy) !== bytes && !view.isKept(copy))
        view.say('4 deletions', `${path} was deleted although ${copy} was not copied`);
  }
}

/** What a copy replaces is in the trash first; a run that could not go on may have left it aside for the next one. */
function checkReplaced(view: View, { report }: Ended): void {
  if (!view.drawn.options.trash || view.hasConflict()) return;
  for (const [path, word] of view.quietFiles()) {
    const was = view.destination.get(path)?.word ?? 'none';
    if (!isFile(was) || was === word || view.now('destination', path) !== word) continue;
    if (view.isInTrash(path, was)) continue;
    if (report.exitCode !== 0 && view.isAside(path, was)) view.aside.push({ path, word: was });
    else view.say('3 no loss', `${path} was replaced, and the old one is not in the trash`);
  }
}

/** What somebody else put at the destination in the middle of the run stays, where the rules say so. */
function checkArrived(view: View, { report }: Ended): void {
  const { operation, options, shape } = view.drawn;
  if (view.hasConflict()) return;
  for (const [path, course] of view.courses) {
    const { left, source, destination, sourceChanged } = course;
    if (left === undefined || !isFile(left) || sourceChanged || view.isUnderChange(path)) continue;
    const now = view.now('destination', path);
    if (now === left) continue;
    const [ours = 'none'] = source;
    const [theirs = 'none'] = destination;
    const isNew = isFile(ours) && theirs === 'none';
    if (options.existing === 'skip' && isNew && report.notGuaranteed?.includes('skip') !== true)
      view.say('3 no loss', `${path} arrived as ${left} and is ${now}`);
    // where it was looked at before the change, the change came between look and removal
    const mayGo = !options.trash && (course.wasLookedAt || shape === 'down');
    const isOnlyTheirs = operation === 'mirror' && ours === 'none' && course.wasPlanned;
    if (isOnlyTheirs && now === 'none' && !mayGo)
      view.say('4 deletions', `${path} was changed to ${left}, and is gone`);
  }
}

/** `after` lets go of a source file only when its very bytes are at the destination. */
function checkSources(view: View): void {
  const { after } = view.drawn.options;
  const mayGo = after !== 'keep' && view.drawn.operation !== 'mirror';
  for (const [path, { word }] of view.source) {
    const course = view.course(path);
    if (!isFile(word) || course.sourceChanged || view.isUnderChange(path)) continue;
    const now = view.now('source', path);
    if (now === word) continue;
    if (!mayGo || now !== 'none') {
      view.say('3 no loss', `${path} was ${word} at the source and is ${now}`);
      continue;
    }
    const there = view.now('destination', path);
    if (there !== word && !course.destinationChanged)
      view.say('3 no loss', `${path} left the source, and the destination has ${there}`);
    const names = ['', '.1', '.2', '.3', '.4'].map((suffix) => path + suffix);
    if (after === 'archive' && !names.some((name) => view.now('archive', name) === word))
      view.say('3 no loss', `${path} left the source and is not in the archive`);
  }
}

/** What a link leads to leaves the source only once the link has its copy, too (`symlinks: follow`). */
function checkLinks(view: View, { report, isDry }: Ended): void {
  if (view.drawn.options.symlinks !== 'follow' || report.exitCode !== 0 || isDry) return;
  for (const [path, { word, leadsTo }] of view.source) {
    const target = leadsTo === undefined ? undefined : view.source.get(leadsTo);
    if (word !== 'link' || leadsTo === undefined || target === undefined) continue;
    const courses = [view.course(path), view.course(leadsTo)];
    const isQuiet = !courses.some((it) => it.sourceChanged || it.destinationChanged);
    if (!isQuiet || !isFile(target.word) || view.now('source', leadsTo) !== 'none') continue;
    if (!isInScope(view.drawn, path) || view.isUnderChange(path) || view.destination.has(path))
      continue;
    if (view.now('destination', path) !== target.word)
      view.say('2 truthful success', `${leadsTo} left the source, and ${path} has no copy of it`);
  }
}

/** A refused run, and a dry one, change nothing. */
function checkUntouched(view: View): void {
  for (const [path, { word }] of view.destination) {
    if (view.course(path).destinationChanged || view.isUnderChange(path)) continue;
    const now = view.now('destination', path);
    if (now !== word)
      view.say('4 deletions', `refused or dry, but ${path} was ${word} and is ${now}`);
  }
  for (const path of found(view.world.destination).keys())
    if (!view.destination.has(path) && !view.course(path).destinationChanged)
      view.say('4 deletions', `refused or dry, but ${path} is new`);
}

/** What `letters` makes of the canaries' bytes. */
const secret = 's1e1c1r1e1t1';

/** 5: nothing outside was changed, and no byte of it arrived anywhere. */
function checkCanaries(view: View): void {
  const { source, destination, archive, canaries } = view.world;
  for (const canary of canaries) {
    const names = fs.readdirSync(canary).join();
    if (names !== 'secret' || wordOf(join(canary, 'secret')) !== secret)
      view.say('5 confinement', `${canary} was changed: ${names}`);
  }
  for (const root of [source, destination, archive])
    for (const [path, { word }] of found(root))
      if (word === secret) view.say('5 confinement', `${path} holds what was outside`);
}

/** 10: what the report says. */
function checkReport(view: View, { report }: Ended): void {
  const { exitCode, failures, error, files, outcome } = report;
  const say = (what: string) => view.say('10 honest report', what);
  if (exitCode === 1) say(`a defect: ${JSON.stringify(error)}`);
  if (exitCode === 0 && (failures.length > 0 || error !== undefined || files.failed > 0))
    say(`0 with failures ${JSON.stringify(failures)}`);
  if (exitCode === 3 && failures.length === 0 && error === undefined) say('3 without a failure');
  if ((exitCode === 0) !== (outcome === 'succeeded')) say(`${exitCode} is ${outcome}`);
  const named = failures.map(({ path }) => path);
  const twice = named.filter((path, at) => named.indexOf(path) !== at);
  if (twice.length > 0) say(`named twice: ${twice.join(', ')}`);
}

/** 10: a run that did not succeed had a reason: a fault, a change, a conflict, or the guard. */
function checkReason(view: View, { report }: Ended): void {
  const { exitCode, failures, error } = report;
  const met = view.faults.done.length > view.faultsBefore;
  const changed = [...view.courses.values()].some(
    ({ sourceChanged, destinationChanged }) => sourceChanged || destinationChanged,
  );
  const isGuarded = exitCode === 7 && view.drawn.operation === 'mirror' && view.run === 1;
  if (met || changed || isGuarded || view.hasConflict()) return;
  const what = JSON.stringify({ failures, error });
  view.say('10 honest report', `no reason for ${exitCode}: ${what}`);
}

/** Whether a folder of a side could not be listed, however often it was tried. */
function isFailedListing({ what, lasts }: Fault, { type, at }: Asked): boolean {
  const isListing = type === 'OPENDIR' || type === 'READDIR';
  const isOfTree = /^\/(?:source|destination)(?:\/|$)/.test(at) && !at.includes('/.ferryline');
  return isListing && isOfTree && lasts && !what.startsWith('cut');
}
