/**
 * Formats of private keys that ssh2 can't read: PKCS#8 is turned into one that it can, by Node's own
 * reader; for the others there is the command that converts them.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';

const pkcs8 = /^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/m;

/** Ciphers of OpenSSH's key format (PROTOCOL.key) that ssh2 reads. */
const readCiphers =
  /^(?:none|3des-cbc|aes(?:128|192|256)-(?:cbc|ctr)|aes(?:128|256)-gcm@openssh\.com)$/;

export type Pkcs8 =
  | { readonly text: string }
  | { readonly trouble: 'locked' | 'wrong-passphrase'; readonly why?: undefined }
  | { readonly trouble: 'unreadable'; readonly why: string };

/** Whether a key is encrypted PKCS#8. */
export function isLockedPkcs8(data: Buffer): boolean {
  return pkcs8.exec(data.toString('latin1'))?.[1] !== undefined;
}

/** A PKCS#8 key (RFC 5958) as a text that ssh2 reads; undefined for other formats. */
export function readPkcs8(data: Buffer, passphrase: string | undefined): Pkcs8 | undefined {
  const found = pkcs8.exec(data.toString('latin1'));
  if (found === null) return undefined;
  const isLocked = found[1] !== undefined;
  if (isLocked && (passphrase === undefined || passphrase === '')) return { trouble: 'locked' };
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: data, ...(isLocked ? { passphrase } : {}) });
  } catch (thrown) {
    const { message, code = '' } = thrown as NodeJS.ErrnoException;
    // padding that does not fit, or an inner key that is none: OpenSSL has no code of its own for it
    if (isLocked && !/unsupported/i.test(`${code} ${message}`))
      return { trouble: 'wrong-passphrase' };
    return { trouble: 'unreadable', why: message };
  }
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { text: key.export({ type: 'pkcs1', format: 'pem' }).toString() };
    case 'ec':
      return { text: key.export({ type: 'sec1', format: 'pem' }).toString() };
    case 'ed25519':
      return { text: opensshEd25519(key) };
    default:
      return { trouble: 'unreadable', why: `SSH has no keys of type ${key.asymmetricKeyType}` };
  }
}

/** Why ssh2 can't read a key of this format, and the command that makes one it can; undefined where it can. `path` is quoted for a shell. */
export function unreadFormat(
  data: Buffer,
  path: string,
): { readonly why: string; readonly command: string } | undefined {
  const text = data.toString('latin1');
  if (text.startsWith('PuTTY-User-Key-File-'))
    return {
      why: `it is a PuTTY key, version ${text.charAt(20)}, ${/^PuTTY-User-Key-File-\d: (\S+)/.exec(text)?.[1] ?? ''}`,
      command: `puttygen ${path} -O private-openssh -o ${path}.openssh`,
    };
  const cipher = opensshCipher(text);
  if (cipher === undefined || readCiphers.test(cipher)) return undefined;
  return {
    why: `it is encrypted with ${cipher}, which is not supported`,
    command: `ssh-keygen -p -Z aes256-ctr -f ${path}`,
  };
}

/** The cipher that an OpenSSH key names (PROTOCOL.key §1); undefined for other formats. */
function opensshCipher(text: string): string | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(text)?.[1];
  if (body === undefined) return undefined;
  const blob = Buffer.from(body, 'base64');
  const magic = 'openssh-key-v1\0';
  if (blob.length < magic.length + 4 || blob.toString('latin1', 0, magic.length) !== magic)
    return undefined;
  const length = blob.readUInt32BE(magic.length);
  return blob.toString('latin1', magic.length + 4, magic.length + 4 + Math.min(length, 64));
}

/** An unencrypted key in OpenSSH's format (PROTOCOL.key). */
function opensshEd25519(key: KeyObject): string {
  const { d = '', x = '' } = key.export({ format: 'jwk' });
  const publicHalf = Buffer.from(x, 'base64url');
  const publicBlob = Buffer.concat([string('ssh-ed25519'), string(publicHalf)]);
  const check = Buffer.alloc(8);
  const secret = Buffer.concat([
    check,
    publicBlob,
    string(Buffer.concat([Buffer.from(d, 'base64url'), publicHalf])),
    string(''),
  ]);
  const padding = Buffer.from(
    Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, i) => i + 1),
  );
  const blob = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[string('none'), string('none'), string('')],
    Buffer.from([0, 0, 0, 1]),
    string(publicBlob),
    string(Buffer.concat([secret, padding])),
  ]);
  const lines = blob.toString('base64').replace(/.{70}/g, '$&\n');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** RFC 4251 §5. */
function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
