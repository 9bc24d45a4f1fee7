/** What the endpoint suite is given: a side, the way round it, and what it lacks. */
import type { Endpoint } from '../../src/endpoints/endpoint.js';
import type { Tree } from '../kit/files/tree.js';

/** The place behind an endpoint, reached without it. */
export interface Outside {
  /** Puts a file, folder (`null`) or link there, and the folders above it. */
  put(path: string, content: Tree[string]): void;
  /** A file's bytes; undefined when no file stands there. */
  read(path: string): Buffer | undefined;
  kind(path: string): 'file' | 'folder' | 'link' | 'nothing';
  linkTarget(path: string): string;
}

export interface Opened {
  readonly endpoint: Endpoint;
  readonly outside: Outside;
  close(): Promise<void>;
}

/** What a side cannot do; each is a fact about a server, found by this suite. */
export type Lack =
  /** Writes must come in order and without gaps. */
  | 'offset-writes'
  /** An existing file can't be changed in place: old bytes get lost. */
  | 'update'
  /** Opening for an update creates what is missing. */
  | 'update-needs-file'
  /** Links are not shown, and can't be made or read. */
  | 'links'
  /** A link can be opened for reading. */
  | 'read-refuses-links'
  /** The server follows links in LSTAT and OPEN whatever is asked: only a listing shows a link as one. */
  | 'lstat'
  /** A link's text comes back as an absolute path. */
  | 'link-text'
  /** Modes are not kept. */
  | 'modes'
  /** Creating over an existing file succeeds: exclusive creation is ignored. */
  | 'exclusive-create'
  /** A rename without `replace` replaces a file all the same. */
  | 'rename-refuses'
  /** mkdir succeeds where a folder stands. */
  | 'mkdir-refuses'
  /** rmdir removes a file too, remove an empty folder. */
  | 'remove-looks'
  /** Some of the odd names are shown as others. */
  | 'odd-names';

export interface Suite {
  readonly endpoint: () => Endpoint;
  readonly outside: () => Outside;
  readonly lacks: ReadonlySet<Lack>;
  readonly signal: AbortSignal;
  /** A path of its own for each test. */
  readonly at: (name: string) => string;
  /** Rejects with a FerryError that has a path and one of these codes. */
  readonly failsWith: (promise: Promise<unknown>, ...codes: string[]) => Promise<void>;
}
