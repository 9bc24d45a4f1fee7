/** Connects with the transport that a remote asks for; the code of the other one is not loaded. */
import type { Connect } from './transport.js';

export const connect: Connect = async (remote, log, signal, ask) => {
  if (remote.openssh === undefined) {
    const { connectSsh2 } = await import('./ssh2/connect-ssh2.js');
    return connectSsh2(remote, log, signal, ask);
  }
  const { connectOpenssh } = await import('./openssh/connect-openssh.js');
  return connectOpenssh(remote, log, signal);
};
