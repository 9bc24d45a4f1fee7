/**
 * Watches how an SFTP channel begins. An account without sftp-server, with `nologin`, or with a start-up
 * file that prints something, sends text or nothing where the server's first packet should be; here
 * that becomes an error in words.
 */
import type { Duplex } from 'node:stream';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import { firstBytes } from './not-ssh.js';

/** How long after text or the end of a channel its exit status and its complaint are waited for. */
const lastWordsMs = 700;
/** What is kept of the text; the rest is dropped. */
const mostTextBytes = 4096;

export interface LastWordsOfChannel {
  /** How its program ended, such as `exit 127`; undefined where it goes on, or that is not known. */
  readonly end: string | undefined;
  /** What it printed on stderr. */
  readonly complaint: string;
  /** Whether the connection itself ended, which has reasons of its own. */
  readonly lost: boolean;
}

/** The stream fails with a `network` error, ENOSFTP, if its first bytes are text, or if it ends without any. */
export function expectSftp(
  stream: Duplex,
  where: string,
  lastWords: () => LastWordsOfChannel,
): void {
  const emit = stream.emit.bind(stream) as (event: string | symbol, ...args: unknown[]) => boolean;
  let text = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const passOn = () => {
    clearTimeout(timer);
    // the method of the class again, so that data costs nothing more
    Reflect.deleteProperty(stream, 'emit');
  };
  const finish = () => {
    passOn();
    const words = lastWords();
    if (text.length === 0 && words.lost && words.end === undefined) {
      if (ended) emit('end');
    } else if (stream.listenerCount('error') > 0) emit('error', noSftp(where, text, words));
  };
  const finishSoon = () => {
    timer ??= setTimeout(finish, lastWordsMs);
  };
  stream.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event === 'data') {
      const data = args[0] as Buffer;
      if (text.length === 0 && !isText(data[0] ?? 0)) {
        passOn();
        return emit(event, ...args);
      }
      text = Buffer.concat([text, data]).subarray(0, mostTextBytes);
      finishSoon();
      return true;
    }
    if (event === 'end') {
      ended = true;
      finishSoon();
      return true;
    }
    if (event === 'close') {
      finish();
      return emit(event, ...args);
    }
    return emit(event, ...args);
  };
}

/** A packet begins with its length, and none is so long that the length begins with one of these. 0xff is left to the protocol. */
function isText(byte: number): boolean {
  const isUtf8 = byte >= 0xc2 && byte <= 0xf4;
  return (byte >= 0x20 && byte < 0x7f) || isUtf8 || [0x07, 0x09, 0x0a, 0x0d, 0x1b].includes(byte);
}

function noSftp(where: string, text: Buffer, { end, complaint }: LastWordsOfChannel): FerryError {
  // SFTP's own first packet may follow the text
  const packet = text.indexOf(0);
  const shown = packet < 0 ? text : text.subarray(0, packet);
  const printed = text.length === 0 ? '' : ` it printed ${firstBytes(shown)}`;
  const complained = complaint === '' ? '' : ` (${escapeText(complaint)})`;
  if (end === undefined && text.length > 0)
    return new FerryError(
      'network',
      `${where} logged in, but text comes where SFTP begins:${printed}${complained}`,
      {
        code: 'ENOSFTP',
        hint: "a start-up file of the account (.bashrc, .profile) prints something: let it do so only for terminals; `ssh USER@HOST true` must print nothing. With OpenSSH's server `Subsystem sftp internal-sftp` runs no shell",
      },
    );
  const how = end === undefined ? 'ended at once' : `ended at once with ${end}`;
  const words = printed === '' ? complained : `:${printed}${complained}`;
  return new FerryError('network', `${where} logged in, but its SFTP server ${how}${words}`, {
    code: 'ENOSFTP',
    hint: /not available|nologin|sftp connections only|shell/i.test(`${text} ${complaint}`)
      ? 'the account may not log in (a shell like nologin): ask who runs the server; `Subsystem sftp internal-sftp` needs no shell'
      : "check the server's `Subsystem sftp` setting: the program it names must exist, and the account must be able to run it",
  });
}
