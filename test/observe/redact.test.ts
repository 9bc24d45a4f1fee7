import { expect, test } from 'vitest';
import { redactEvent, redactor } from '../../src/observe/redact.js';

test.each([
  ['as it is', 'pass s3cret! ok', 'pass [secret] ok'],
  ['twice', 's3cret!s3cret!', '[secret][secret]'],
  ['percent-encoded', 'redis://u:s3cret%2Fx@h', 'redis://u:[secret]@h'],
  ['the longer one whole', 'got s3cret!-and-more.', 'got [secret].'],
  ['characters that mean something in a pattern', 'a.*(b)|c d', '[secret] d'],
  ['with its control characters escaped', 'got tab\\there.', 'got [secret].'],
  ['nothing else', 'axx(b)c, secret', 'axx(b)c, secret'],
])('takes out a secret: %s', (_, text, expected) => {
  const secrets = ['s3cret!', 's3cret!-and-more', 's3cret/x', 'a.*(b)|c', 'tab\there'];
  expect(redactor(secrets)(text)).toBe(expected);
});

test('a line of a longer secret is one by itself', () => {
  const redact = redactor(['-----BEGIN KEY-----\nAAAAB3NzaC1yc2EAAAADAQAB\n-----END KEY-----']);
  expect(redact('x AAAAB3NzaC1yc2EAAAADAQAB y')).toBe('x [secret] y');
});

test('text too short to be a secret garbles nothing', () => {
  expect(redactor(['', 'a', 'abc'])('abc a')).toBe('abc a');
});

test('a secret that is half a character has no percent-encoding and still goes', () => {
  expect(redactor(['abc\ud800'])('x abc\ud800')).toBe('x [secret]');
});

test('of an event only free text is touched, however deep', () => {
  const event = {
    event: 'run',
    outcome: 'failed',
    error: { kind: 'auth', message: 'with failed' },
    failures: [{ path: 'a/failed', kind: 'io', message: 'failed' }],
  };
  expect(redactEvent(event, redactor(['failed']))).toEqual({
    event: 'run',
    outcome: 'failed',
    error: { kind: 'auth', message: 'with [secret]' },
    failures: [{ path: 'a/[secret]', kind: 'io', message: '[secret]' }],
  });
});
