/** Addresses of Unix sockets in folders whose path may be too long for one. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** sockaddr_un holds 108 bytes with its NUL; a longer address is refused. */
const longestAddressBytes = 107;
/** A slash and the longest name of a socket of ours. */
const longestNameBytes = 24;

export interface SocketFolder {
  /** The address of the socket of that name, valid until `close`. */
  address(name: string): string;
  close(): Promise<void>;
}

/**
 * Opens a folder for the addresses of sockets in it. In a folder with a long path they go through
 * the open folder, by way of /proc. Rejects with the system's error.
 */
export async function openSocketFolder(folder: string): Promise<SocketFolder> {
  if (Buffer.byteLength(folder) + longestNameBytes <= longestAddressBytes) {
    return { address: (name) => join(folder, name), close: async () => {} };
  }
  const handle = await open(folder, 'r');
  return {
    address: (name) => `/proc/self/fd/${handle.fd}/${name}`,
    close: () => handle.close(),
  };
}
