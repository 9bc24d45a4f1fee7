/** Job keys given on the command line, where every value is text. */
import { check } from './issues.js';
import { ConfigProblems, type Path, pathText } from './problems.js';
import { jobDefaults, type RawRules } from './schema.js';
import { entriesOf, isMap, type PlainMap } from './shapes.js';

/** Checks the keys against the schema of a job. Throws a config error that names every wrong one. */
export function checkOverrides(given: PlainMap): RawRules {
  const problems = new ConfigProblems();
  const tree = structuredClone(given);
  check(jobDefaults, tree, { fromText: textPaths(tree, []), isSecret: () => false }, problems);
  throwByKey(problems);
  return tree as RawRules;
}

/** Throws what is in `problems`, each after its key: there is no file to give a line of. */
export function throwByKey(problems: ConfigProblems): void {
  problems.throwAny((problem) => (problem.path.length === 0 ? '' : `${pathText(problem.path)}: `));
}

function textPaths(value: unknown, path: Path, found = new Set<string>()): Set<string> {
  if (typeof value === 'string') found.add(JSON.stringify(path));
  const steps = Array.isArray(value) ? value.entries() : entriesOf(isMap(value) ? value : {});
  for (const [step, item] of steps) textPaths(item, [...path, step], found);
  return found;
}
