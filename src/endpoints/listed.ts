/**
 * The entries that listings consist of, local and remote. They are instances of a class because of
 * V8: it pretenures objects from a literal site whose objects mostly survive scavenges, as those of a
 * tree listed ahead do. Up to a million short-lived entries would then wait for a full collection.
 * Constructor calls are not pretenured.
 */
import type { Entry } from '../core/entry.js';

/** An entry; `kind` is undefined if a server does not send it. */
export class Listed<K extends Entry['kind'] | undefined = Entry['kind']> {
  readonly name: string;
  readonly kind: K;
  readonly size: number | undefined;
  readonly mtime: number | undefined;
  readonly mode: number | undefined;

  constructor(
    name: string,
    kind: K,
    size: number | undefined,
    mtime: number | undefined,
    mode: number | undefined,
  ) {
    this.name = name;
    this.kind = kind;
    this.size = size;
    this.mtime = mtime;
    this.mode = mode;
  }
}
