/** A queue's URL is read as it is meant, whatever its password holds. */
import { describe, expect, test } from 'vitest';
import { parseQueueUrl } from '../../src/core/queue-url.js';

const characters = [...Array(95)]
  .map((_, i) => String.fromCharCode(32 + i))
  .concat('ü', '語', '🚢');
const passwords = [
  ...characters.map((one) => `Canary${one}zebra`),
  ...characters.map((one) => `${one}Canary`),
  ...characters.map((one) => `Canary${one}`),
  'p@ss/w#rd',
  'a@b@c',
  'a:b/c@d:1/e?f#g%h i"j\'k',
  '100%',
  '%zz',
  '@',
  '/#?',
];

describe.each(['redis', 'rediss', 'postgres', 'postgresql'])('%s://', (scheme) => {
  test.each(['unencoded', 'encoded'])('every password, %s', (form) => {
    for (const password of passwords) {
      const written = form === 'encoded' ? encodeURIComponent(password) : password;
      const found = parseQueueUrl(`${scheme}://ida:${written}@db.example:6380/2`);
      const url = new URL(found?.url ?? '');
      expect([password, url.host, url.pathname]).toEqual([password, 'db.example:6380', '/2']);
      expect(decodeURIComponent(url.password)).toBe(password);
      expect(found?.secrets).toContain(password);
    }
  });
});

test.each([
  ['redis://localhost', 'redis://localhost'],
  ['redis://:pw@localhost', 'redis://:pw@localhost'],
  ['redis://[::1]:6379/1', 'redis://[::1]:6379/1'],
  ['redis://u:a b@[::1]:6379', 'redis://u:a%20b@[::1]:6379'],
  ['redis+cluster://u:a b@one:7000,[::1]:7001', 'redis+cluster://u:a%20b@one:7000,[::1]:7001'],
  ['rediss+cluster://one?cacert=/ca', 'rediss+cluster://one?cacert=/ca'],
  ['postgres://u:p@/db?host=/run/postgresql', 'postgres://u:p@/db?host=/run/postgresql'],
  ['postgres://h/db?sslmode=require&password=a@b', 'postgres://h/db?sslmode=require&password=a@b'],
])('%s', (written, url) => {
  expect(parseQueueUrl(written)?.url).toBe(url);
});

test.each([
  'http://x',
  'redis:x',
  'redis://u:p@host:port',
  'redis://host:99999',
  'redis://::1:6379',
  'redis://one:7000,two:7000',
  'redis+cluster://one,two:port',
  'redis+cluster://one,,two',
  'redis+sentinel://one,two',
])('%s is none', (written) => {
  expect(parseQueueUrl(written)).toBeUndefined();
});

test('a secret in the query, and a password in the place of the user, are secrets', () => {
  expect(parseQueueUrl('redis://h?db=1&password=canary')?.secrets).toEqual(['canary']);
  expect(parseQueueUrl('redis://canary@h')?.secrets).toEqual(['canary']);
});
