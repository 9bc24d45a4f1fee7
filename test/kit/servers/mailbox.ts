/** A mail server of a few lines (RFC 5321), which keeps what it is given and refuses what the test says. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

export interface Mailbox {
  /** `smtp://127.0.0.1:40123`. */
  readonly url: string;
  /** Each as it was sent, headers and text. */
  readonly mails: string[];
  /** The answer to RCPT TO; 250 without it. */
  refuse: string | undefined;
}

/** It ends with the test. */
export async function startMailbox(): Promise<Mailbox> {
  const mails: string[] = [];
  const server = createServer((socket) => {
    const say = (line: string) => socket.write(`${line}\r\n`);
    let mail: string[] | undefined;
    socket.on('error', () => {});
    say('220 mailbox');
    createInterface(socket).on('line', (line) => {
      if (mail !== undefined && line !== '.') mail.push(line.replace(/^\./, ''));
      else if (mail !== undefined) {
        mails.push(mail.join('\n'));
        mail = undefined;
        say('250 taken');
      } else if (/^RCPT/i.test(line)) say(mailbox.refuse ?? '250 yes');
      else if (/^DATA/i.test(line)) {
        mail = [];
        say('354 go on');
      } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
      else say('250 yes');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const mailbox: Mailbox = { url: `smtp://127.0.0.1:${port}`, mails, refuse: undefined };
  return mailbox;
}
