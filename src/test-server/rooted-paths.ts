/** Paths of a client as paths below a root folder. None leads out of it, nor through a symbolic link. */
import * as fs from 'node:fs/promises';
import { posix } from 'node:path';

const slash = 0x2f;

/** The path as the client sees it: absolute, without `.`, `..` or doubled slashes. */
export function canonicalPath(path: string): string {
  const normal = posix.normalize(`/${path}`);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

export class RootedPaths {
  readonly #root: Buffer;

  /** `root`: absolute, its links resolved. */
  constructor(root: string) {
    this.#root = Buffer.from(root);
  }

  /** The real path of `path` (one character a byte). Rejects with EACCES if its folder, or with `follow` the file that a link names, is outside the root. */
  async resolve(path: string, follow: boolean): Promise<Buffer> {
    const visible = canonicalPath(path);
    if (visible === '/') return this.#root;
    const real = Buffer.concat([this.#root, Buffer.from(visible, 'latin1')]);
    await this.#mustBeInside(real.subarray(0, real.lastIndexOf(slash)));
    if (follow && (await fs.lstat(real).catch(() => undefined))?.isSymbolicLink())
      await this.#mustBeInside(real);
    return real;
  }

  async #mustBeInside(path: Buffer): Promise<void> {
    const root = this.#root;
    const real = await fs.realpath(path, { encoding: 'buffer' });
    const inside = real.subarray(0, root.length).equals(root);
    if (!inside || (real.length > root.length && real[root.length] !== slash))
      throw Object.assign(new Error('outside the root'), { code: 'EACCES' });
  }
}
