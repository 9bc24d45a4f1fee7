/** The kit's servers as remotes and endpoints, for tests below the command line. */
import type { Remote } from '../../../src/core/remote.js';
import type { Endpoint } from '../../../src/endpoints/endpoint.js';
import { openSide } from '../../../src/endpoints/open.js';
import { SessionPool } from '../../../src/endpoints/sftp/pool.js';
import type { RealServer } from './real-server.js';
import type { Sshd } from './sshd.js';

/** A server's `Remote`, as it would come from jobs.yml. */
export function remoteFor(
  server: Pick<RealServer | Sshd, 'host' | 'port' | 'username' | 'keyFile' | 'hostKeyFingerprint'>,
  changes: Partial<Remote> = {},
): Remote {
  return {
    name: 'archive',
    host: server.host,
    port: server.port,
    username: server.username,
    auth: { keys: [server.keyFile], keysOptional: false },
    hostKey: [server.hostKeyFingerprint],
    knownHosts: [],
    root: undefined,
    maxSessions: 2,
    maxFiles: 0,
    bandwidth: undefined,
    replyTimeout: 10_000,
    stallTimeout: 20_000,
    algorithms: {},
    jump: undefined,
    ...changes,
  };
}

export interface Connected {
  readonly endpoint: Endpoint;
  readonly remote: Remote;
  /** SSH logins made so far. */
  logins(): number;
  close(): Promise<void>;
}

/** Logs in and opens a server's folder. */
export async function connect(
  server: Parameters<typeof remoteFor>[0] & Pick<RealServer, 'root'>,
  changes: Partial<Remote> = {},
): Promise<Connected> {
  const remote = remoteFor(server, { root: server.root, ...changes });
  const pool = new SessionPool();
  const { signal } = new AbortController();
  try {
    const place = { remote, path: '', label: `${remote.name}:` };
    const { endpoint } = await openSide(place, 'to', pool, signal);
    return {
      endpoint,
      remote,
      logins: () => pool.logins([remote]),
      async close() {
        await endpoint.close();
        await pool.close();
      },
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}
