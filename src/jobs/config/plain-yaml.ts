/**
 * The values of a file in the plainest YAML: block maps, lists of scalars, and scalars of one line. Of
 * anything else, and of everything doubtful, it says nothing, and yaml reads the file. It exists because
 * yaml takes a second and a half for thousands of jobs, and this a twentieth of that.
 */

/** Undefined for a text that is not in the plainest YAML. Else what yaml and readNodes make of it. */
export function plainValues(text: string): Record<string, unknown> | undefined {
  if (!plainText.test(text)) return undefined;
  return new PlainReader(text.split('\n')).whole();
}

/** Printable characters and line ends, without those that mean something at the edge of YAML: tabs, returns, marks. */
const plainText = /^[\n\x20-\x7e\u00a1-\u1fff\u3001-\ud7ff]*$/;
/** A longer line, deeper nesting and more lines are left to yaml with its limits. */
const [mostColumns, mostIndent, mostParts] = [1000, 40, 100_000];
/** At most so many of YAML's tokens are in a line, and in an item of a list in brackets. */
const [partsOfLine, partsOfItem] = [9, 4];

const comment = /^ *(?:#.*)?$/;
const entry = /^( *)([A-Za-z][A-Za-z0-9_.-]*):(?: +(\S.*)| *)$/;
const item = /^( *)- +(\S.*)$/;
const nullWord = /^(?:null|Null|NULL)$/;
const inQuotes = /^(?:"([^"\\]*)"|'([^']*)')$/;
/** Text that begins with no sign of YAML. */
const plain = /^[A-Za-z0-9_./$~(][^#]*$/;
const inBrackets = /^\[ *([^[\]{}#"']*) *\]$/;
const plainItem = /^[A-Za-z0-9_./$(][^:]*$/;
const whole = /^(?:0|[1-9][0-9]{0,14})$/;
/** What may be a number, a boolean or nothing in one of its other forms. */
const doubtful =
  /^(?:~|[-+.]?[0-9][0-9_]*|0[ox][0-9a-fA-F]+|[0-9]*\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF|nan|NaN|NAN)|null|Null|NULL|[Tt]rue|TRUE|[Ff]alse|FALSE)$/;

/** Thrown for what is not plain. */
class NotPlain extends Error {}

class PlainReader {
  readonly #lines: readonly string[];
  #at = 0;
  #parts = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  whole(): Record<string, unknown> | undefined {
    try {
      if (this.#lines.some((line) => line.length > mostColumns)) return undefined;
      const map = this.#indent() === 0 ? this.#map(0) : undefined;
      return this.#indent() === undefined ? map : undefined;
    } catch (thrown) {
      if (thrown instanceof NotPlain) return undefined;
      throw thrown;
    }
  }

  /** The indent of the next line that is no comment; undefined at the end. */
  #indent(): number | undefined {
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] as string;
      this.#count(partsOfLine);
      if (!comment.test(line)) return line.search(/[^ ]/);
    }
    return undefined;
  }

  #count(parts: number): void {
    this.#parts += parts;
    if (this.#parts > mostParts) throw new NotPlain();
  }

  #map(indent: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let next: number | undefined = indent; next === indent; next = this.#next(indent)) {
      const found = entry.exec(this.#lines[this.#at] as string);
      const [, , key = '', text] = found ?? [];
      if (found === null || nullWord.test(key) || Object.hasOwn(map, key)) throw new NotPlain();
      this.#at++;
      map[key] = text === undefined ? this.#nested(indent) : this.#valueOf(text);
    }
    return map;
  }

  #list(indent: number): unknown[] {
    const list: unknown[] = [];
    for (let next: number | undefined = indent; next === indent; next = this.#next(indent)) {
      const found = item.exec(this.#lines[this.#at] as string);
      if (found === null) throw new NotPlain();
      this.#at++;
      list.push(scalarOf(found[2] as string));
    }
    return list;
  }

  /** The indent of the next line; what is deeper than this map or list goes on with a scalar. */
  #next(indent: number): number | undefined {
    const next = this.#indent();
    if (next !== undefined && next > indent) throw new NotPlain();
    return next;
  }

  /** The map or list below a key, or nothing. */
  #nested(above: number): unknown {
    const indent = this.#indent();
    const isList = indent !== undefined && item.test(this.#lines[this.#at] as string);
    // A list may be as deep as its key; such a one is left to yaml.
    if (isList && indent === above) throw new NotPlain();
    if (indent === undefined || indent <= above) return null;
    if (indent > mostIndent) throw new NotPlain();
    return isList ? this.#list(indent) : this.#map(indent);
  }

  #valueOf(text: string): unknown {
    const [, items] = inBrackets.exec(text.trimEnd()) ?? [];
    if (items === undefined) return scalarOf(text);
    if (items.trim() === '') return [];
    return items.split(',').map((one) => {
      this.#count(partsOfItem);
      if (!plainItem.test(one.trim())) throw new NotPlain();
      return scalarOf(one);
    });
  }
}

function scalarOf(written: string): unknown {
  const text = written.trim();
  const quoted = inQuotes.exec(text);
  if (quoted !== null) return quoted[1] ?? quoted[2];
  if (whole.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  // A colon before a blank or at the end makes a map.
  if (!plain.test(text) || doubtful.test(text) || /:(?: |$)/.test(text)) throw new NotPlain();
  return text;
}
