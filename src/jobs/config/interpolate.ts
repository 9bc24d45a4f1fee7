/** `${VAR}`, `${VAR:-default}`, `${file:path}` and `$${` in parsed text. Their values are passed in. */
import { type ConfigProblems, maxTextLength, type Path } from './problems.js';

export interface VariableSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file named in `${file:…}`; throws when it can't be read. */
  readonly readFile: (path: string) => string;
}

type Interpolated =
  | { readonly value: string; readonly filled: boolean }
  | { readonly error: string };

const variable = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Fills in the variables of a string. As in a shell, the default after `:-` is used when the variable
 * is unset or empty; a value is not filled in again. `filled`: whether the string had a variable.
 * The error never contains a value, only the missing name.
 */
function interpolate(text: string, sources: VariableSources): Interpolated {
  let value = '';
  let filled = false;
  let at = 0;
  for (;;) {
    const start = text.indexOf('${', at);
    if (start < 0) return { value: value + text.slice(at), filled };
    value += text.slice(at, start);
    if (value.endsWith('$') && start > at) {
      value = `${value}{`;
      at = start + 2;
      continue;
    }
    const end = text.indexOf('}', start);
    if (end < 0) return { error: 'has a "${" without "}"; write "$${" for a literal "${"' };
    const found = lookUp(text.slice(start + 2, end), sources);
    if ('error' in found) return found;
    value += found.value;
    filled = true;
    at = end + 1;
  }
}

/** Whether a string of the file is more than references to variables and files: a secret written out. */
export function isLiteral(text: string): boolean {
  return text.replace(/\$\{(?:[A-Za-z_][A-Za-z0-9_]*(?::-)?|file:[^}]*)\}/g, '') !== '';
}

function lookUp(inside: string, sources: VariableSources): { value: string } | { error: string } {
  if (inside.includes('${')) {
    return { error: 'has a "${…}" inside another, which is not allowed; use one variable' };
  }
  const [, name = '', fallback] = variable.exec(inside) ?? [];
  if (name !== '') {
    const value = sources.env[name];
    if (fallback !== undefined)
      return { value: value === undefined || value === '' ? fallback : value };
    if (value !== undefined) return { value };
    return {
      error: `needs the variable ${name}, which is not set; set it or give a default: \${${name}:-…}`,
    };
  }
  if (inside.startsWith('file:') && inside.length > 5) {
    try {
      return { value: sources.readFile(inside.slice(5)).replace(/\r?\n$/, '') };
    } catch (thrown) {
      const code = (thrown as { code?: unknown } | null)?.code;
      const why = typeof code === 'string' ? ` (${code})` : '';
      return { error: `needs a file that can't be read${why}: ${JSON.stringify(inside.slice(5))}` };
    }
  }
  return {
    error:
      'has a "${…}" that is not ${VAR}, ${VAR:-default} or ${file:path}; write "$${" for a literal "${"',
  };
}

/**
 * Fills in every text of a tree, in place; one that fails becomes undefined and is reported to
 * `problems`. `onText` gets each text as written in the file. Returns the paths (as JSON) whose text
 * came from outside the file, whole or in part.
 */
export function fillIn(
  tree: unknown,
  sources: VariableSources,
  onText: (path: Path, text: string) => void,
  problems: ConfigProblems,
): Set<string> {
  const filled = new Set<string>();
  const visit = (value: unknown, path: Path) => {
    if (typeof value !== 'object' || value === null) return;
    const parent = value as Record<string | number, unknown>;
    for (const step of Array.isArray(value) ? value.keys() : Object.keys(value)) {
      const item = parent[step];
      const at = [...path, step];
      if (typeof item !== 'string') {
        visit(item, at);
        continue;
      }
      onText(at, item);
      const done = interpolate(item, sources);
      if ('error' in done) {
        problems.add({ path: at, message: done.error });
        parent[step] = undefined;
      } else if (done.value.length > maxTextLength) {
        problems.add({
          path: at,
          message: `is longer than ${maxTextLength} characters once filled in`,
        });
        parent[step] = undefined;
      } else {
        parent[step] = done.value;
        if (done.filled) filled.add(JSON.stringify(at));
      }
    }
  };
  visit(tree, []);
  return filled;
}
