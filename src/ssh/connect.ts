/** Connects by the transport that a remote asks for; only that one's code is loaded. */
import type { Connect } from './transport.js';

export const connect: Connect = async (remote, tell, signal) => {
  if (remote.openssh === undefined) {
    const { connectSsh2 } = await import('./ssh2/connect-ssh2.js');
    return connectSsh2(remote, tell, signal);
  }
  const { connectOpenssh } = await import('./openssh/connect-openssh.js');
  return connectOpenssh(remote, tell, signal);
};
