/** The password of a queue is no part of a message, whatever it holds. */
import { expect, test } from 'vitest';
import { asFerryError } from '../../../src/core/errors.js';
import { openStore } from '../../../src/queue/store/store.js';
import { freePort } from '../../kit/servers/free-port.js';
import { startRedis } from '../../kit/servers/redis.js';

const parts = ['Canary', '7f3a'];
const passwords = [...'@/#?%:[] "\'\\&=+;`<>{}|^~!$*,()ü'].map((one) => parts.join(one));

async function failure(url: string): Promise<string> {
  const told: string[] = [];
  const options = {
    folder: '',
    onTrouble: (error: Error | undefined) => void told.push(error?.message ?? ''),
    onWarning: (text: string) => void told.push(text),
  };
  const error = await openStore({ url, ...options }).then(
    async (store) => {
      await store.close();
      throw new Error('it opened');
    },
    (thrown: unknown) => asFerryError(thrown),
  );
  expect(error.kind, error.message).not.toBe('defect');
  return [error.message, error.hint, String(error.cause), ...told].join('\n');
}

test.each(['redis', 'postgres'])('%s that is not there', async (scheme) => {
  const port = await freePort();
  for (const password of [...passwords, 'Canary@7f3a/b#c?d', 'Canary:7f3a@b:99999']) {
    const said = await failure(`${scheme}://:${password}@127.0.0.1:${port}/1`);
    for (const part of parts) expect(said, password).not.toContain(part);
  }
});

test('a Redis that refuses it', async () => {
  const redis = await startRedis();
  try {
    for (const password of passwords.slice(0, 6)) {
      const said = await failure(redis.url.replace('redis://', `redis://ida:${password}@`));
      expect(said).toContain('WRONGPASS');
      for (const part of parts) expect(said, password).not.toContain(part);
    }
  } finally {
    await redis.stop();
  }
});
