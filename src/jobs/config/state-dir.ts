/** `stateDir` alone, for commands that only talk to a daemon: a mistake elsewhere in jobs.yml must not keep them from it. */
import { dirname } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import { parseText } from './document.js';
import { fillIn } from './interpolate.js';
import type { LoadContext } from './load.js';
import { localPath } from './location.js';
import { ConfigProblems } from './problems.js';
import { isMap } from './shapes.js';

/** The key and its value on one line, where the file is no valid YAML. */
const ownLine =
  /^["']?stateDir["']?:[ \t]+(?:"([^"\n]*)"|'([^'\n]*)'|([^"'\s#][^#\n]*?))[ \t]*(?:#.*)?$/m;

/** The absolute path of `stateDir` in the text of jobs.yml; undefined if it is not set. Errors: `config` if its value can't be used. */
export function stateDirOf(
  text: string,
  context: Pick<LoadContext, 'file' | 'env' | 'home' | 'readFile'>,
): string | undefined {
  const written = text.includes('stateDir') ? valueIn(text) : undefined;
  if (written === undefined || written === false) return undefined;
  const user = { folder: dirname(context.file), home: context.home };
  const tree = { stateDir: written };
  const problems = new ConfigProblems();
  const readFile = (name: string) => context.readFile(localPath(name, user));
  fillIn(tree, { env: context.env, readFile }, () => {}, problems);
  const { stateDir } = tree;
  const path = typeof stateDir === 'string' && stateDir !== '' ? localPath(stateDir, user) : '';
  if (path.startsWith('/')) return path;
  throw new FerryError('config', `stateDir in ${escapeText(context.file)} names no folder`, {
    hint: '`ferryline validate` says what is wrong; FERRYLINE_STATE_DIR overrides it',
  });
}

function valueIn(text: string): unknown {
  const root = parseText(text, new ConfigProblems())?.root;
  if (isMap(root)) return root.stateDir;
  const [, ...forms] = ownLine.exec(text) ?? [];
  return forms.find((form) => form !== undefined);
}
