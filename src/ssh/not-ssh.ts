/** What a peer that is not the wanted server said, in words. */
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';

/** Bytes of a peer's words that a message shows. */
const shownBytes = 80;

/** Protocols by the first bytes that their servers send. */
const protocols: readonly (readonly [begins: RegExp, name: string])[] = [
  [/^HTTP\/\d|^<!DOCTYPE|^<html/i, 'a web server (HTTP)'],
  [/^220[ -][^\n]*(?:SMTP|mail)/i, 'a mail server (SMTP)'],
  [/^220[ -][^\n]*FTP/i, 'an FTP server, which is not SFTP'],
  [/^220[ -]/, 'an FTP or mail server'],
  [/^\+OK|^-ERR/, 'a POP3 server or Redis'],
  [/^\* OK/, 'an IMAP server'],
  [/^RFB /, 'a VNC server'],
];

/** Whether these bytes begin a TLS record, as an alert does (RFC 8446 §5.1). */
function isTlsRecord(bytes: Uint8Array): boolean {
  const [type = 0, version] = bytes;
  return type >= 20 && type <= 23 && version === 3;
}

const otherProtocols =
  /^(?:HTTP\/\d|220[ -]|421[ -]|5\d\d[ -]|\+OK|-ERR|\* OK|RFB \d|<\?xml|<!DOCTYPE|<html)/i;

/** Whether a peer that begins like this will not send an identification. An SSH server may send lines of text before it (RFC 4253 §4.2), but no NUL. */
export function isOtherProtocol(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1');
  return otherProtocols.test(text) || isTlsRecord(bytes) || bytes.includes(0);
}

/** A peer's first bytes as a message shows them: `"HTTP/1.1 400 Bad…"`. */
export function firstBytes(bytes: Uint8Array): string {
  const whole = Buffer.from(bytes.subarray(0, shownBytes)).toString('utf8');
  // a character that the limit cuts is no sign of anything
  const text = bytes.length > shownBytes ? whole.replace(/\uFFFD+$/, '') : whole;
  return `"${escapeText(text.trimEnd())}${bytes.length > shownBytes ? '…' : ''}"`;
}

/** The error for a peer that sent these bytes where SSH begins. */
export function notSsh(where: string, bytes: Uint8Array): FerryError {
  const text = Buffer.from(bytes.subarray(0, 4096)).toString('latin1');
  const name = isTlsRecord(bytes)
    ? 'a TLS server (HTTPS, FTPS)'
    : protocols.find(([begins]) => begins.test(text))?.[1];
  const limited = /not allowed at this time|exceeded maxstartups|too many|tcp wrapp/i.test(text);
  return new FerryError(
    'network',
    `${where} does not speak SSH: it begins with ${firstBytes(bytes)}${name === undefined ? '' : `, as ${name} does`}`,
    {
      code: 'ENOTSSH',
      hint: limited
        ? 'the server turns connections away at the moment: try again later, or ask who runs it'
        : "check `host` and `port`: SFTP is served by an SSH server, usually on port 22 (FTP's is 21)",
    },
  );
}
