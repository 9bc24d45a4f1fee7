/** Job keys given on the command line, where every value is text. */
import { check } from './issues.js';
import { jobDefaults, type RawRules } from './job-schema.js';
import { expand, type JobRules } from './merge.js';
import { takeOff } from './off.js';
import { ConfigProblems, type Path, pathText } from './problems.js';
import { jobKeyNameOf } from './schema-keys.js';
import { entriesOf, isMap, type PlainMap } from './shapes.js';

/** Checks the keys against the schema of a job. Throws a config error that names every wrong one. */
export function checkOverrides(given: PlainMap): JobRules {
  const problems = new ConfigProblems();
  const tree = structuredClone(given);
  const putBack = takeOff(jobDefaults, tree);
  check(jobDefaults, tree, { fromText: textPaths(tree, []), isSecret: () => false }, problems);
  throwByKey(problems);
  putBack();
  return expand(tree as RawRules);
}

/** Throws what is in `problems`, each after its key: there is no file to give a line of. */
export function throwByKey(problems: ConfigProblems): void {
  problems.throwAny(
    (problem) => (problem.path.length === 0 ? '' : `${pathText(problem.path)}: `),
    jobKeyNameOf,
  );
}

function textPaths(value: unknown, path: Path, found = new Set<string>()): Set<string> {
  if (typeof value === 'string') found.add(JSON.stringify(path));
  const steps = Array.isArray(value) ? value.entries() : entriesOf(isMap(value) ? value : {});
  for (const [step, item] of steps) textPaths(item, [...path, step], found);
  return found;
}
