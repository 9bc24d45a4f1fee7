/**
 * One login on one server and the SFTP channels over it: as many as pay. A channel's window is
 * 2 MiB, so a long line needs several; a short one is served best by a single one.
 */
import type { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import type { Connect, SessionLog, Transport } from '../../ssh/transport.js';
import { type ServerLimits, SftpChannel } from './client/channel.js';
import type { RequestGate } from './client/request-gate.js';
import { Handles } from './handle-limit.js';

/** What this server turned out to offer. */
export interface Features {
  readonly posixRename: boolean;
  readonly fsync: boolean;
  readonly statvfs: boolean;
  /** Whether requests on a channel are carried out in the order they were sent, which lets attributes follow data unasked. OpenSSH's sftp-server does so; others are not trusted to. */
  readonly ordered: boolean;
  /** Whether a file can be opened again and written at an offset: known of OpenSSH and ProFTPD; `rclone serve sftp` destroys what was there. */
  readonly offsetWrites: boolean;
  readonly limits: ServerLimits;
}

/** What servers without `limits@openssh.com` take: the draft asks for 32 KiB of data (§3), and sftp-server processes seldom have more than 1,024 files. */
const plainLimits: ServerLimits = { packet: 34_000, read: 32_768, write: 32_768, handles: 200 };
const mostChunk = 255 * 1024;
/** Milliseconds of round trip for which one channel more pays: its 2 MiB then still leave 300 MB/s. */
const roundTripPerChannel = 7;
/** OpenSSH allows ten (`MaxSessions`). */
const mostChannels = 8;

/** A channel that a large file may fill. */
interface Wide {
  /** Once it is open. */
  channel: SftpChannel | undefined;
  readonly opening: Promise<SftpChannel>;
}

export class Session {
  readonly transport: Transport;
  /** Known a round trip after the login; a session that can't be learnt about ends. */
  readonly features: Promise<Features>;
  /** The remote's root, or the login folder where it has none, as the server's REALPATH tells it. */
  readonly base: Promise<string>;
  /** Settles, never rejecting, when the connection or its first channel has ended. */
  readonly ended: Promise<FerryError>;
  /** What is open on it, over all its channels. */
  readonly handles: Handles;
  readonly #channels: SftpChannel[];
  /** Those of them, open or opening, that a large file may fill. */
  readonly #wide: Wide[];
  #openFree = () => {};
  #failure: FerryError | undefined;

  private constructor(
    transport: Transport,
    first: SftpChannel,
    features: Promise<Features>,
    base: Promise<string>,
    tell: SessionLog,
  ) {
    this.transport = transport;
    this.handles = new Handles((open) =>
      tell('notice', `the server opens no more files beside ${open}: others wait for these`),
    );
    this.features = features;
    this.base = base;
    this.#channels = [first];
    this.#wide = [{ channel: first, opening: Promise.resolve(first) }];
    this.ended = Promise.race([transport.ended, first.ended]);
    void this.ended.then((error) => {
      this.#failure = error;
      for (const channel of this.#channels) channel.close(error);
    });
  }

  /** Logs in, speaks SFTP, begins to learn what the server can do. `gate` holds back what the server is not to have yet. With `trace`, every request and answer is told. */
  static async open(
    remote: Remote,
    connect: Connect,
    tell: SessionLog,
    signal: AbortSignal,
    gate: RequestGate,
    trace: boolean,
  ): Promise<Session> {
    const transport = await connect(remote, tell, signal);
    const options = {
      deadline: remote.deadline,
      gate,
      trace: trace ? tell : undefined,
    };
    const first = new SftpChannel(transport.first, options);
    const abort = () => transport.close();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const base = first.realpath(remote.root ?? '.');
      base.catch(() => {}); // whoever asks hears of it
      await first.ready;
      const features = learn(first, transport);
      const session = new Session(transport, first, features, base, tell);
      features.then(
        () => session.#widen(options, signal),
        () => transport.close(), // whoever asks hears of it
      );
      return session;
    } catch (error) {
      await transport.close();
      throw signal.aborted ? signal.reason : ((await settledReason(transport)) ?? error);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Why the session has ended, if it has. */
  get failure(): FerryError | undefined {
    return this.#failure;
  }

  /** Milliseconds from a question to its answer: the fewest so far. */
  get roundTrip(): number {
    return Math.min(...this.#channels.map((channel) => channel.roundTrip));
  }

  /** The channel with the least waiting on it. */
  channel(): SftpChannel {
    let best = this.#channels[0] as SftpChannel;
    for (const channel of this.#channels)
      if (channel.failure === undefined && channel.inFlight < best.inFlight) best = channel;
    return best;
  }

  /**
   * The channels beside `channel` that a large file may fill, open or about to open. One that is
   * opened when this is first asked for is not among them: small requests, of other runs say,
   * would wait behind the data.
   */
  others(channel: SftpChannel): Promise<SftpChannel>[] {
    this.#openFree();
    return this.#wide.filter((it) => it.channel !== channel).map((it) => it.opening);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  /** Opens the further channels that a long line takes, beside the work; a server that allows fewer is served with fewer. */
  #widen(options: ConstructorParameters<typeof SftpChannel>[1], signal: AbortSignal): void {
    const wanted = Math.min(mostChannels, Math.ceil(this.roundTrip / roundTripPerChannel));
    const open = async () => {
      const channel = new SftpChannel(await this.transport.openChannel(signal), options);
      await channel.ready;
      this.#channels.push(channel);
      void channel.ended.then(() => {
        const at = this.#channels.indexOf(channel);
        if (at > 0) this.#channels.splice(at, 1);
      });
      return channel;
    };
    for (let i = 1; i < wanted; i++) {
      const wide: Wide = { channel: undefined, opening: open() };
      this.#wide.push(wide);
      const opened = wide.opening.then((channel) => {
        wide.channel = channel;
        return channel.ended;
      });
      const gone = () => this.#wide.splice(this.#wide.indexOf(wide), 1);
      opened.then(gone, gone);
    }
    this.#openFree = () => {
      this.#openFree = () => {};
      open().catch(() => {});
    };
  }
}

async function learn(channel: SftpChannel, transport: Transport): Promise<Features> {
  const offers = (name: string) => channel.extensions.has(name);
  // one question in any case: it measures the round trip without the start of the server, which VERSION waits for
  let limits = plainLimits;
  if (offers('limits@openssh.com')) limits = await channel.limits();
  else await channel.realpath('.');
  const ordered =
    transport.serverSoftware.startsWith('OpenSSH_') &&
    offers('fstatvfs@openssh.com') &&
    offers('posix-rename@openssh.com');
  return {
    posixRename: offers('posix-rename@openssh.com'),
    fsync: offers('fsync@openssh.com'),
    statvfs: offers('statvfs@openssh.com'),
    ordered,
    offsetWrites: ordered || transport.serverSoftware.startsWith('mod_sftp'),
    limits: {
      packet: limits.packet,
      read: Math.min(limits.read || plainLimits.read, mostChunk),
      write: Math.min(limits.write || plainLimits.write, mostChunk),
      handles: limits.handles || plainLimits.handles,
    },
  };
}

/** The transport's own reason, if it ended first: it says more than its channel does. */
async function settledReason(transport: Transport): Promise<FerryError | undefined> {
  return Promise.race([transport.ended, new Promise<undefined>((r) => setImmediate(r, undefined))]);
}
