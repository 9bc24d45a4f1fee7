/** The part of ssh2's ciphers that its published types leave out. */
declare module 'ssh2/lib/protocol/crypto.js' {
  /** Whether the native code for ciphers is there for this Node and was loaded. */
  export const bindingAvailable: boolean;
}
