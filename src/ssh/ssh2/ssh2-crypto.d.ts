/** The part of ssh2's ciphers that its published types leave out. */
declare module 'ssh2/lib/protocol/crypto.js' {
  /** Whether the native code for ciphers was built and loaded. */
  export const bindingAvailable: boolean;
}
