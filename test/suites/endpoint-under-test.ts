/** What the endpoint suite gets: a side, direct access to its files, and what the side lacks. */
import type { Endpoint } from '../../src/endpoints/endpoint.js';
import type { Tree } from '../kit/files/tree.js';

/** Direct access to an endpoint's files, without the endpoint. */
export interface Outside {
  /** Makes a file, folder (`null`) or link, and the folders above it. */
  put(path: string, content: Tree[string]): void;
  /** A file's bytes; undefined if there is no file. */
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
  /** An existing file can't be changed in place: its old bytes are lost. */
  | 'update'
  /** Opening for an update creates what is missing. */
  | 'update-needs-file'
  /** Links are not listed, and can't be made or read. */
  | 'links'
  /** A link can be opened for reading. */
  | 'read-refuses-links'
  /** The server follows links in LSTAT and OPEN: only a listing shows that an entry is a link. */
  | 'lstat'
  /** A link's target is returned as an absolute path. */
  | 'link-text'
  /** Modes are not kept. */
  | 'modes'
  /** Creating over an existing file succeeds: exclusive creation is ignored. */
  | 'exclusive-create'
  /** A rename without `replace` replaces a file. */
  | 'rename-refuses'
  /** mkdir succeeds if the folder exists. */
  | 'mkdir-refuses'
  /** rmdir also removes a file, and remove an empty folder. */
  | 'remove-looks'
  /** A hard link is answered with OK, and there is none. */
  | 'hard-links'
  /** Some odd names are listed as other names. */
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
