/**
 * What listings consist of, local ones and a server's. It is a class, since V8 makes what object
 * literals give directly in the old generation once most of what one literal gave has outlived a
 * small collection. That is so of a tree listed ahead, and then a million entries wait for a full
 * collection that would have been gone in the next small one. Objects from a constructor always
 * begin in the young one.
 */
import type { Entry } from '../core/entry.js';

/** An entry; `kind` is undefined where a server doesn't tell it. */
export class Listed<K extends Entry['kind'] | undefined = Entry['kind']> {
  readonly name: string;
  readonly kind: K;
  readonly size: number | undefined;
  readonly mtime: number | undefined;
  readonly mode: number;

  constructor(
    name: string,
    kind: K,
    size: number | undefined,
    mtime: number | undefined,
    mode: number,
  ) {
    this.name = name;
    this.kind = kind;
    this.size = size;
    this.mtime = mtime;
    this.mode = mode;
  }
}
