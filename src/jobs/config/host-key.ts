/** Host keys as written in jobs.yml. ssh/host-keys compares them with a server's. */

const fingerprint = /^SHA256:[A-Za-z0-9+/]{43}=?$/;
const publicKey =
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{40,}={0,2})(?: .*)?$/;

/** Whether the text is a SHA-256 fingerprint, or a public key whose data has the type that its first word names. */
export function isHostKey(text: string): boolean {
  if (fingerprint.test(text)) return true;
  const [, type = '', data = ''] = publicKey.exec(text) ?? [];
  if (type === '') return false;
  // RFC 4253 §6.6: the blob starts with the type as a string (length in four bytes, big endian).
  const blob = Buffer.from(data, 'base64');
  return (
    blob.length > 4 + type.length &&
    blob.readUInt32BE(0) === type.length &&
    blob.toString('latin1', 4, 4 + type.length) === type
  );
}

/** The host key without the padding of a fingerprint or the comment of a key: `SHA256:…`, `type base64`. */
export function plainHostKey(text: string): string {
  return text.startsWith('SHA256:')
    ? text.replace(/=$/, '')
    : text.split(' ').slice(0, 2).join(' ');
}
