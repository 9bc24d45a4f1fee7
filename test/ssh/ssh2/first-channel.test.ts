/** The number of a server's first channel is guessed where it calls itself OpenSSH; servers that give another one. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import ssh2, { type Connection } from 'ssh2';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectSsh2 } from '../../../src/ssh/ssh2/connect-ssh2.js';
import { makeKeyPair } from '../../../src/test-server/ssh-server.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { makeKey } from '../../kit/servers/keys.js';
import { remoteFor } from '../../kit/servers/remote.js';

/** The part of ssh2's server that its published types leave out. */
interface ChannelInternals {
  readonly _chanMgr: { add(channel: () => void): number; get(channel: number): unknown };
}

interface Ways {
  readonly software: string;
  /** The number that the first channel gets. */
  readonly channel: 0 | 1;
  /** Whether the connection ends when a channel is named that does not exist. */
  readonly isStrict?: boolean;
  /** Whether the subsystem is refused. */
  readonly refuses?: boolean;
}

/** A server that has only what a channel needs; `asked` counts the requests for the subsystem. */
async function start({ software, channel, isStrict = false, refuses = false }: Ways) {
  const key = makeKey(join(await temporaryFolder(), 'client'));
  const hostKey = makeKeyPair().privateKey;
  const seen = { connections: 0, asked: 0 };
  const taken = () => {};
  const ssh = new ssh2.Server({ hostKeys: [hostKey], ident: software }, (client: Connection) => {
    const { _chanMgr: channels } = client as unknown as ChannelInternals;
    client.on('authentication', (context) => context.accept());
    client.on('error', () => {});
    client.on('ready', () => {
      if (channel === 1) channels.add(taken);
      const get = channels.get.bind(channels);
      channels.get = (number) => {
        const found = get(number);
        if (found !== taken) return found;
        if (isStrict) client.end();
        return undefined;
      };
    });
    client.on('session', (accept) => {
      accept().on('subsystem', (accepted, rejected) => {
        seen.asked++;
        if (refuses) rejected();
        else accepted();
      });
    });
  });
  const server = createServer((socket) => {
    seen.connections++;
    ssh.injectSocket(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const parsed = ssh2.utils.parseKey(hostKey);
  if (parsed instanceof Error) throw parsed;
  const remote = remoteFor(
    {
      ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, username: 'partner' },
      ...{ keyFile: key.file, hostKeyFingerprint: '' },
    },
    { hostKey: [`ssh-ed25519 ${parsed.getPublicSSH().toString('base64')}`] },
  );
  return { remote, seen };
}

const { signal } = new AbortController();
const openSsh = 'OpenSSH_9.9';

describe('the first channel of', () => {
  test.each<readonly [string, Ways, { connections: number; asked: number; logins: number }]>([
    ['OpenSSH', { software: openSsh, channel: 0 }, { connections: 1, asked: 1, logins: 1 }],
    [
      'a server that gives another number and ignores requests for what does not exist',
      { software: openSsh, channel: 1 },
      { connections: 1, asked: 1, logins: 1 },
    ],
    [
      'a server that gives another number and ends such connections',
      { software: openSsh, channel: 1, isStrict: true },
      { connections: 2, asked: expect.any(Number), logins: 1 },
    ],
    [
      'another server, which nothing is guessed of',
      { software: 'Other_1', channel: 1, isStrict: true },
      { connections: 1, asked: 1, logins: 1 },
    ],
  ])('%s opens', async (_, ways, wanted) => {
    const { remote, seen } = await start(ways);
    const transport = await connectSsh2(remote, () => {}, signal);
    expect({ ...seen, logins: transport.logins }).toEqual(wanted);
    await transport.close();
    // a second session does not try again what has failed
    const again = await connectSsh2(remote, () => {}, signal);
    expect(seen.connections).toBe(wanted.connections + 1);
    await again.close();
  });

  test.each([
    [0, { connections: 1, asked: 1 }],
    // it may have refused only what was requested of a channel that it has not
    [1, { connections: 2, asked: 2 }],
  ] as const)('a server that refuses the subsystem on channel %i', async (channel, wanted) => {
    const { remote, seen } = await start({ software: openSsh, channel, refuses: true });
    await expect(connectSsh2(remote, () => {}, signal)).rejects.toMatchObject({
      code: 'ENOSFTP',
      message: expect.stringContaining('opens no SFTP channel'),
    });
    expect(seen).toEqual(wanted);
  });
});
