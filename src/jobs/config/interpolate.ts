/**
 * `${VAR}`, `${VAR:-default}`, `${file:path}`, `${credential:NAME}`, `${secret:NAME}` and `$${` in parsed
 * text. Values are passed in; that of a secret is not known here, but during a login.
 */
import { type ConfigProblems, didYouMean, maxTextLength, type Path } from './problems.js';

export interface VariableSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file named in `${file:…}`; throws when it can't be read. */
  readonly readFile: (path: string) => string;
  /** The names that `${secret:…}` may have; absent: none. */
  readonly secrets?: readonly string[];
  /** Whether the value at a path may contain `${secret:…}`; absent: none may. */
  readonly takesSecrets?: (path: Path) => boolean;
  /** Gets the value of each credential that is read. */
  readonly onCredential?: (value: string) => void;
}

/** A text filled in: pieces of text, and secrets by their names. */
type SecretParts = readonly (string | { readonly secret: string })[];

/** What was filled in. Paths are JSON. */
export interface FilledIn {
  /** The paths whose text came from outside the file, whole or in part. */
  readonly paths: Set<string>;
  /** The texts with secrets. In the tree they are left as they are written. */
  readonly secrets: ReadonlyMap<string, SecretParts>;
}

type Interpolated =
  | { readonly parts: SecretParts; readonly filled: boolean }
  | { readonly error: string };

type Found = { readonly value: string } | { readonly secret: string } | { readonly error: string };

const variable = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Fills in the variables of a string. As in a shell, the default after `:-` is used when the variable
 * is unset or empty; a value is not filled in again. `filled`: whether the string had a variable.
 * The error never contains a value, only the missing name.
 */
function interpolate(text: string, sources: VariableSources): Interpolated {
  const parts: (string | { readonly secret: string })[] = [];
  let value = '';
  let filled = false;
  let at = 0;
  for (;;) {
    const start = text.indexOf('${', at);
    if (start < 0) {
      value += text.slice(at);
      return { parts: value === '' && parts.length > 0 ? parts : [...parts, value], filled };
    }
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
    if ('secret' in found) {
      if (value !== '') parts.push(value);
      parts.push(found);
      value = '';
    } else value += found.value;
    filled = true;
    at = end + 1;
  }
}

/** Whether a string of the file is more than references: a secret written out. */
export function isLiteral(text: string): boolean {
  return (
    text.replace(
      /\$\{(?:[A-Za-z_][A-Za-z0-9_]*(?::-)?|(?:file|credential|secret):[^}]*)\}/g,
      '',
    ) !== ''
  );
}

function lookUp(inside: string, sources: VariableSources): Found {
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
  const [, kind = '', given = ''] = /^(file|credential|secret):(.+)$/s.exec(inside) ?? [];
  switch (kind) {
    case 'file':
      return contents(() => sources.readFile(given), `a file that can't be read`, given);
    case 'credential':
      return credential(given, sources);
    case 'secret':
      return secret(given, sources.secrets ?? []);
    default:
      return {
        error:
          'has a "${…}" that is not ${VAR}, ${VAR:-default}, ${file:path}, ${credential:NAME} or ${secret:NAME}; write "$${" for a literal "${"',
      };
  }
}

/** The text of a file without its last line end. */
function contents(read: () => string, what: string, name: string, hint = ''): Found {
  try {
    return { value: read().replace(/\r?\n$/, '') };
  } catch (thrown) {
    const code = (thrown as { code?: unknown } | null)?.code;
    const why = typeof code === 'string' ? ` (${code})` : '';
    return { error: `needs ${what}${why}: ${JSON.stringify(name)}${hint}` };
  }
}

/** A credential of systemd: a file in a folder that the unit alone can read. */
function credential(name: string, { env, readFile, onCredential }: VariableSources): Found {
  if (!/^[^/\0]{1,255}$/.test(name) || name === '.' || name === '..')
    return { error: `has the name of a credential that is no file name: ${JSON.stringify(name)}` };
  const folder = env.CREDENTIALS_DIRECTORY ?? '';
  const setting = `LoadCredential=${name}:FILE`;
  if (folder === '')
    return {
      error: `needs the credential ${JSON.stringify(name)}, but CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with ${setting}`,
    };
  const read = () => readFile(`${folder}/${name}`);
  const hint = `; give the unit ${setting}`;
  const found = contents(read, "a credential that can't be read", name, hint);
  if ('value' in found) onCredential?.(found.value);
  return found;
}

function secret(name: string, names: readonly string[]): Found {
  if (names.includes(name)) return { secret: name };
  const close = didYouMean(name, names);
  const next = close === '' ? '; add it to "secrets"' : close;
  return { error: `names the secret ${JSON.stringify(name)}, which does not exist${next}` };
}

/**
 * Fills in every text of a tree, in place; one that fails becomes undefined and is reported to
 * `problems`. `onText` gets each text as written in the file.
 */
export function fillIn(
  tree: unknown,
  sources: VariableSources,
  onText: (path: Path, text: string) => void,
  problems: ConfigProblems,
): FilledIn {
  const paths = new Set<string>();
  const secrets = new Map<string, SecretParts>();
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
      const wrong = problemOf(done, sources.takesSecrets?.(at) === true);
      if (wrong !== undefined || 'error' in done) {
        problems.add({ path: at, message: wrong ?? '' });
        parent[step] = undefined;
        continue;
      }
      const id = JSON.stringify(at);
      if (done.filled) paths.add(id);
      if (isText(done.parts)) parent[step] = done.parts.join('');
      else secrets.set(id, done.parts);
    }
  };
  visit(tree, []);
  return { paths, secrets };
}

function problemOf(done: Interpolated, mayBeSecret: boolean): string | undefined {
  if ('error' in done) return done.error;
  const texts = done.parts.filter((part) => typeof part === 'string');
  if (texts.length < done.parts.length && !mayBeSecret)
    return 'has a "${secret:…}", which is allowed in auth.password and auth.passphrase only';
  if (texts.join('').length > maxTextLength)
    return `is longer than ${maxTextLength} characters once filled in`;
  return undefined;
}

function isText(parts: SecretParts): parts is readonly string[] {
  return parts.every((part) => typeof part === 'string');
}
