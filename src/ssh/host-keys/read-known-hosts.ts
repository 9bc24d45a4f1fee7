/** Reads a remote's known_hosts files. What their lines mean is in known-hosts.ts. */
import { readFile } from 'node:fs/promises';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import type { HostKeyRules } from './host-keys.js';

/** What decides about the remote's host key: `pinned`, and its known_hosts files in order. A missing file counts as empty; one that can't be read is a `config` error. */
export async function hostKeyRules(
  remote: Remote,
  pinned: readonly string[],
): Promise<HostKeyRules> {
  const { name, host, port, hostKeyAlias } = remote;
  const knownHosts = await Promise.all(
    remote.knownHosts.map(async (file) => ({ file, text: await textOf(file, name) })),
  );
  return { host, port, ...present({ alias: hostKeyAlias }), pinned, knownHosts, remote: name };
}

async function textOf(file: string, remote: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return '';
    throw new FerryError(
      'config',
      `${remote}: the known_hosts file ${escapeText(file)} can't be read: ${code}`,
      { hint: 'make it readable, or name another with `knownHosts`', cause },
    );
  }
}
