/**
 * One login on one server and its SFTP channels, as many as pay off. A channel's window is 2 MiB, so
 * that a long line needs several; on a short one a single channel is fastest.
 */
import { unlessAborted } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import type { Connect, SessionLog, Transport } from '../../ssh/transport.js';
import { type ServerLimits, SftpChannel } from './client/channel.js';
import type { ChannelOptions } from './client/exchange.js';
import type { RequestGate } from './client/request-gate.js';
import { HandleLimit } from './handle-limit.js';

/** What the server of a session offers. */
export interface Features {
  readonly posixRename: boolean;
  readonly fsync: boolean;
  readonly hardLinks: boolean;
  readonly copyData: boolean;
  readonly statvfs: boolean;
  /** Whether a channel's requests are carried out in the order sent, so that attributes may follow data without waiting. OpenSSH's sftp-server does so; no other server is relied on for it. */
  readonly ordered: boolean;
  /** Whether a file can be opened again and written at an offset. OpenSSH and ProFTPD are known to; `rclone serve sftp` destroys what the file held. */
  readonly offsetWrites: boolean;
  /** Whether several channels may be open at once. mod_sftp (1.3.8) drops what it holds of an unfinished request when another channel's subsystem starts, and then takes file data for requests. */
  readonly severalChannels: boolean;
  readonly limits: ServerLimits;
}

/** The limits of servers without `limits@openssh.com`: the draft asks for 32 KiB of data (§3), and an sftp-server process seldom may open more than 1,024 files. */
const plainLimits: ServerLimits = { packet: 34_000, read: 32_768, write: 32_768, handles: 200 };
/** Reads and writes are never larger, even if the server allows it. */
const largestChunkBytes = 255 * 1024;
/** Each further channel pays off at this much more round trip: its 2 MiB then still allow 300 MB/s. */
const roundTripMsPerChannel = 7;
/** No session has more channels; OpenSSH allows ten (`MaxSessions`). */
const mostChannels = 8;

export interface SessionOptions {
  readonly connect: Connect;
  readonly log: SessionLog;
  /** Limits the requests at the server, over all sessions with it. */
  readonly gate: RequestGate;
  /** Whether `log` gets every request and answer. */
  readonly trace: boolean;
}

/** Gets a session of which only the login is known to have worked: what is asked on it leaves with the greeting. */
export type OnEarly = (session: Session) => void;

/** A channel that large files may fill with data. */
interface DataChannel {
  /** Undefined until it is open. */
  channel: SftpChannel | undefined;
  readonly opening: Promise<SftpChannel>;
}

export class Session {
  readonly transport: Transport;
  /** Known a round trip after the login; if that fails, the session ends. */
  readonly features: Promise<Features>;
  /** The remote's root, or the login folder if it has none, as REALPATH resolves it. */
  readonly base: Promise<string>;
  /** Resolves with the reason once the connection or its first channel has ended; never rejects. */
  readonly ended: Promise<FerryError>;
  /** Limits what is open on all channels together. */
  readonly handles: HandleLimit;
  readonly #channels: SftpChannel[];
  /** Channels that large files may fill, open or being opened. */
  readonly #dataChannels: DataChannel[];
  #openSmall = () => {};
  #failure: FerryError | undefined;
  /** Aborted when the session has ended. */
  readonly #end = new AbortController();

  private constructor(
    transport: Transport,
    first: SftpChannel,
    features: Promise<Features>,
    base: Promise<string>,
    log: SessionLog,
  ) {
    this.transport = transport;
    this.handles = new HandleLimit((open) =>
      log('notice', `the server allows only ${open} open files; further files wait`),
    );
    this.features = features;
    this.base = base;
    this.#channels = [first];
    this.#dataChannels = [{ channel: first, opening: Promise.resolve(first) }];
    this.ended = Promise.race([transport.ended, first.ended]);
    void this.ended.then((error) => {
      this.#failure = error;
      this.#end.abort(error);
      for (const channel of this.#channels) channel.close(error);
    });
  }

  /**
   * Logs in, opens the first channel, and begins to find out what the server offers. Errors are those of `Connect` and of
   * SftpChannel. `early` is called where the server is known to read on before it has sent VERSION; without it nothing
   * but the root's REALPATH is asked before.
   */
  static async open(
    remote: Remote,
    { connect, log, gate, trace }: SessionOptions,
    signal: AbortSignal,
    early?: OnEarly,
  ): Promise<Session> {
    const transport = await connect(remote, log, signal);
    const options = { deadline: remote.replyTimeout, gate, trace: trace ? log : undefined };
    try {
      const first = new SftpChannel(transport.first, options);
      const base = first.realpath(remote.root ?? '.');
      base.catch(() => {}); // rejections are handled by the awaiting caller
      const takesMore = early !== undefined && takesMoreAtOnce(transport);
      const limits = takesMore ? first.limits() : undefined;
      limits?.catch(() => {}); // like those of `base`
      const features = first.ready.then(() => findFeatures(first, transport, limits));
      features.catch(() => {});
      const session = new Session(transport, first, features, base, log);
      features.then(
        ({ severalChannels }) => {
          if (severalChannels && !takesMore) session.#widen(options);
        },
        () => transport.close(), // rejections are handled by the awaiting caller
      );
      if (takesMore) {
        early(session);
        session.#widen(options);
      }
      await unlessAborted(first.ready, signal);
      return session;
    } catch (error) {
      await transport.close();
      // the connection was in order: that we have closed it is no reason
      if (!signal.aborted && error instanceof FerryError && error.code === 'ENOSFTP') throw error;
      throw signal.aborted ? signal.reason : ((await settledReason(transport)) ?? error);
    }
  }

  /** Why the session has ended, if it has. */
  get failure(): FerryError | undefined {
    return this.#failure;
  }

  /** The shortest time from a request to its answer so far, milliseconds. */
  get roundTrip(): number {
    const { roundTrip = Number.POSITIVE_INFINITY } = this.transport;
    return Math.min(roundTrip, ...this.#channels.map((channel) => channel.roundTrip));
  }

  /** The channel with the fewest requests in flight. */
  channel(): SftpChannel {
    let best = this.#channels[0] as SftpChannel;
    for (const channel of this.#channels)
      if (channel.failure === undefined && channel.inFlight < best.inFlight) best = channel;
    return best;
  }

  /**
   * The other channels that a large file may fill beside `channel`, open or being opened. The first
   * call opens one more channel that is not among them: without it, small requests, say of other
   * runs, would wait behind the data.
   */
  others(channel: SftpChannel): Promise<SftpChannel>[] {
    this.#openSmall();
    return this.#dataChannels.filter((it) => it.channel !== channel).map((it) => it.opening);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  /**
   * Begins to open the further channels that a long line needs. If the server allows fewer, the session has fewer.
   * They are every run's that shares the session: the end of the one that logged in does not end their opening.
   */
  #widen(options: ChannelOptions): void {
    const wanted = Math.min(mostChannels, Math.ceil(this.roundTrip / roundTripMsPerChannel));
    const open = async () => {
      const channel = new SftpChannel(await this.transport.openChannel(this.#end.signal), options);
      await channel.ready;
      this.#channels.push(channel);
      void channel.ended.then(() => {
        const at = this.#channels.indexOf(channel);
        if (at > 0) this.#channels.splice(at, 1);
      });
      return channel;
    };
    for (let i = 1; i < wanted; i++) {
      const added: DataChannel = { channel: undefined, opening: open() };
      this.#dataChannels.push(added);
      const opened = added.opening.then((channel) => {
        added.channel = channel;
        return channel.ended;
      });
      const gone = () => this.#dataChannels.splice(this.#dataChannels.indexOf(added), 1);
      opened.then(gone, gone);
    }
    this.#openSmall = () => {
      this.#openSmall = () => {};
      open().catch(() => {});
    };
  }
}

/**
 * Whether requests may be sent beside INIT, before the server's VERSION. The draft (§4) only says that INIT comes first;
 * OpenSSH's server takes what follows in order. The round trip must be known, which these answers can't show: they wait
 * for the server to start.
 */
function takesMoreAtOnce({ serverSoftware, roundTrip }: Transport): boolean {
  return serverSoftware.startsWith('OpenSSH_') && roundTrip !== undefined;
}

/** `limited`: the answer to that request if it was made already. */
async function findFeatures(
  channel: SftpChannel,
  transport: Transport,
  limited: Promise<ServerLimits> | undefined,
): Promise<Features> {
  const offers = (name: string) => channel.extensions.has(name);
  // one request in any case: it measures the round trip, while VERSION also waits for the server to start
  let limits = plainLimits;
  const asked =
    limited ?? (offers('limits@openssh.com') ? channel.limits() : channel.realpath('.'));
  const answer = await asked.catch((error) => {
    if (error instanceof FerryError && error.kind === 'io') return undefined;
    throw error;
  });
  if (typeof answer === 'object') limits = answer;
  const isModSftp = transport.serverSoftware.startsWith('mod_sftp');
  const ordered =
    transport.serverSoftware.startsWith('OpenSSH_') &&
    offers('fstatvfs@openssh.com') &&
    offers('posix-rename@openssh.com');
  return {
    posixRename: offers('posix-rename@openssh.com'),
    fsync: offers('fsync@openssh.com'),
    hardLinks: offers('hardlink@openssh.com'),
    copyData: offers('copy-data'),
    statvfs: offers('statvfs@openssh.com'),
    ordered,
    offsetWrites: ordered || isModSftp,
    severalChannels: !isModSftp,
    limits: {
      packet: limits.packet,
      read: Math.min(limits.read || plainLimits.read, largestChunkBytes),
      write: Math.min(limits.write || plainLimits.write, largestChunkBytes),
      handles: limits.handles || plainLimits.handles,
    },
  };
}

/** The transport's own reason, if it has ended as well: it says more than its channel's. */
async function settledReason(transport: Transport): Promise<FerryError | undefined> {
  return Promise.race([transport.ended, new Promise<undefined>((r) => setImmediate(r, undefined))]);
}
