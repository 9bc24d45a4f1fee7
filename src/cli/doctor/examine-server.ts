/** Examines a server, from its name to the folder that jobs use. Each stage needs the one before. It changes nothing there. */
import { lookup } from 'node:dns/promises';
import type { Duplex } from 'node:stream';
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import type { Location } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { count, escapeText, formatBytes, formatDuration } from '../../core/text.js';
import { openSide } from '../../endpoints/open.js';
import type { SessionPool } from '../../endpoints/sftp/pool.js';
import type { Session } from '../../endpoints/sftp/session.js';
import type { Side } from '../../endpoints/side.js';
import { dial } from '../../ssh/dial.js';
import { describeKey, standingOf, verifyHostKey } from '../../ssh/host-keys/host-keys.js';
import { hostKeyRules } from '../../ssh/host-keys/read-known-hosts.js';
import { isOtherProtocol, notSsh } from '../../ssh/not-ssh.js';
import { openThroughJump } from '../../ssh/ssh2/connect-ssh2.js';
import { fetchHostKey } from '../../ssh/ssh2/fetch-host-key.js';
import { recallQuirks } from '../../workers/run/remembered/server-quirks.js';
import type { Examination, Finding } from './examination.js';

export interface Patient {
  readonly remote: Remote;
  /** The folders to look at, each as a job or the user names it; at least one. */
  readonly places: readonly Location[];
  readonly state: string;
  readonly pool: SessionPool;
  /** What the session has said of its login so far. */
  readonly said: readonly string[];
  readonly signal: AbortSignal;
}

/** Less free space than this is a warning, bytes. */
const littleSpace = 256 * 1024 * 1024;
/** Requests whose answers are timed. */
const pings = 7;

/** Resolves to the sides that could be opened, and are the caller's to close. */
export async function examineServer(
  examination: Examination,
  patient: Patient,
): Promise<readonly Side[]> {
  const { remote, pool, places, signal } = patient;
  const isOurs = remote.openssh === undefined;
  const look = (stage: string, what: () => Promise<Finding> | Finding) =>
    examination.look(stage, signal, what);
  const reached =
    !isOurs ||
    ((await look('name', () => nameOf(remote))) &&
      (await look('connection', () => answerOf(remote, signal))) &&
      (await look('host key', () => keysOf(remote, signal))));
  if (!reached) return [];
  let session: Session | undefined;
  const loggedIn = await look('login', async () => {
    session = await pool.session(remote, signal);
    return { found: loginText(patient, session) };
  });
  if (!loggedIn || session === undefined) return [];
  const live = session;
  const offers =
    (await look('sftp', () => offersOf(live))) &&
    (await look('round trip', () => roundTripOf(live, signal)));
  if (!offers) return [];
  await look('learnt', () => learntOf(patient));
  const sides: Side[] = [];
  for (const place of places) {
    await look('folder', async () => {
      const side = await openSide(place, 'from', pool, signal);
      const kind = (await side.endpoint.stat('', signal))?.kind;
      if (kind !== undefined) sides.push(side);
      return folderText(place, side.endpoint.root, kind, await freeIn(live, side, signal));
    });
  }
  return sides;
}

async function nameOf({ host, jump }: Remote): Promise<Finding> {
  if (jump !== undefined) return { found: `looked up on the jump host ${jump.name}` };
  try {
    const found = await lookup(host, { all: true });
    return { found: found.map(({ address }) => address).join(', ') };
  } catch (error) {
    throw new FerryError(
      'network',
      `the name ${escapeText(host)} can't be looked up: ${escapeText((error as Error).message)}`,
      { hint: 'check the spelling of `host`, and that DNS works here', cause: error },
    );
  }
}

async function answerOf(remote: Remote, signal: AbortSignal): Promise<Finding> {
  const { host, port, jump, replyTimeout } = remote;
  const where = `${escapeText(host)} port ${port}`;
  const stream = await openTo(remote, where, signal);
  const way = jump === undefined ? '' : `through ${jump.name}: `;
  try {
    const late = AbortSignal.any([signal, AbortSignal.timeout(replyTimeout)]);
    return { found: `${way}${await identificationOf(stream, where, late)}` };
  } catch (error) {
    if (signal.aborted || error instanceof FerryError) throw error;
    throw new FerryError(
      'network',
      `${where} takes connections and says nothing for ${formatDuration(replyTimeout)}`,
      { hint: 'the server may be overloaded, or a firewall lets nothing but connections through' },
    );
  } finally {
    stream.destroy();
  }
}

function openTo(remote: Remote, where: string, signal: AbortSignal): Promise<Duplex> {
  const { host, port, jump, replyTimeout } = remote;
  return jump === undefined
    ? dial(host, port, where, replyTimeout, signal)
    : openThroughJump(remote, jump, signal);
}

/** The line that an SSH server begins with (RFC 4253 §4.2); lines before it are passed over. */
function identificationOf(stream: Duplex, where: string, signal: AbortSignal): Promise<string> {
  return abortable(signal, (resolve, reject) => {
    let bytes = Buffer.alloc(0);
    stream.on('data', (data: Buffer) => {
      bytes = Buffer.concat([bytes, data]);
      const line = /^SSH-.*$/m.exec(bytes.toString('latin1'))?.[0];
      if (line !== undefined && bytes.includes('\n'.charCodeAt(0)))
        resolve(escapeText(line.trimEnd()));
      else if (isOtherProtocol(bytes) || bytes.length > 8192) reject(notSsh(where, bytes));
    });
    const ended = () =>
      reject(
        bytes.length > 0
          ? notSsh(where, bytes)
          : new FerryError('network', `${where} closes the connection without a word`, {
              hint: 'the server may be limiting connections from here: try again later, or ask who runs it',
            }),
      );
    stream.on('end', ended);
    stream.on('error', ended);
    return () => stream.destroy();
  });
}

async function keysOf(remote: Remote, signal: AbortSignal): Promise<Finding> {
  const { host, port, replyTimeout, name, algorithms, jump } = remote;
  const keys = await fetchHostKey({
    ...{ host, port, deadline: replyTimeout, signal, remote: name, algorithms },
    ...(jump && { open: (abort: AbortSignal) => openThroughJump(remote, jump, abort) }),
  });
  const rules = await hostKeyRules(remote, remote.hostKey);
  for (const key of keys) {
    const verdict = verifyHostKey(rules, key);
    if (verdict.ok) return { found: `${describeKey(key)}, accepted by ${verdict.by}` };
  }
  // the error of a key that has changed says more than that of one that is unknown
  const worst = keys.find((key) => standingOf(rules, key).kind === 'changed') ?? keys[0];
  const verdict = worst && verifyHostKey(rules, worst);
  throw verdict?.ok === false ? verdict.error : new Error('the server has no host key');
}

/** How the login went, in the session's own words. */
function loginText({ remote, said }: Patient, { transport }: Session): string {
  const words = said.filter((line) =>
    /^(?:logging in as|accepted;|[a-z0-9@.-]+, host key )/.test(line),
  );
  const how = words.length === 0 ? [`as ${escapeText(remote.username)}`] : words;
  return [...how, `server software ${escapeText(transport.serverSoftware)}`].join('\n');
}

async function offersOf(session: Session): Promise<Finding> {
  const { limits } = await session.features;
  const names = [...session.channel().extensions.keys()].map(escapeText);
  const offered = names.length === 0 ? 'no extensions' : names.join(' ');
  const sizes = `reads of ${formatBytes(limits.read)}, writes of ${formatBytes(limits.write)}, ${count(limits.handles, 'open file')}`;
  return { found: `version 3, ${offered}\n${sizes}` };
}

async function roundTripOf(session: Session, signal: AbortSignal): Promise<Finding> {
  const times: number[] = [];
  for (let n = 0; n < pings; n++) {
    const since = performance.now();
    await session
      .channel()
      .realpath('.', signal)
      .catch((error) => {
        if (!(error instanceof FerryError) || error.kind !== 'io') throw error;
      });
    times.push(performance.now() - since);
  }
  times.sort((a, b) => a - b);
  const text = (ms: number | undefined) => `${(ms ?? 0).toFixed(1)} ms`;
  return {
    found: `${text(times[0])} to ${text(times.at(-1))}, in the middle ${text(times[pings >> 1])}`,
  };
}

/** What runs have seen this server do otherwise than it says. */
async function learntOf({ state, remote, pool }: Patient): Promise<Finding> {
  const sentences: string[] = [];
  recallQuirks(state, [remote], pool, (text) => sentences.push(text));
  return { found: sentences.length === 0 ? 'nothing out of the ordinary' : sentences.join('\n') };
}

async function freeIn(
  session: Session,
  { endpoint: { root } }: Side,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { statvfs } = await session.features;
  if (!statvfs) return undefined;
  return session
    .channel()
    .freeBytes(root, signal)
    .catch(() => undefined);
}

function folderText(
  { label }: Location,
  root: string,
  kind: string | undefined,
  free: number | undefined,
): Finding {
  const what = `${escapeText(label)} is ${escapeText(root)}`;
  if (kind === undefined)
    return {
      found: `${what}, which does not exist yet`,
      fix: 'nothing, if a first run is to make it',
    };
  const space = free === undefined ? '' : `, ${formatBytes(free)} free`;
  if (free !== undefined && free < littleSpace)
    return { found: `${what}${space}`, fix: 'make room there before the next run' };
  return { found: `${what}${space}` };
}
