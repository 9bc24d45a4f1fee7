/** The digest by which daemons compare their jobs.yml. */
import { expect, test } from 'vitest';
import { configDigest } from '../../src/daemon/config-digest.js';
import { redactor } from '../../src/observe/redact.js';
import { load } from '../kit/loading.js';

const file = `
remotes: { a: { host: h, auth: { key: ~/.ssh/k } }, b: { host: h, auth: { password: longer } } }
jobs:
  x: { operation: push, from: ./data, to: a:x, exclude: [y, z], window: "22:00-06:00" }
  w: { operation: push, from: ~/data, to: b:w }
`;
const digest = (text: string, over: Parameters<typeof load>[1] = {}) => {
  const config = load(text, over);
  return configDigest(config, over.home ?? '/home/u', redactor(config.secrets));
};
const first = digest(file);

test('is that of the meaning: comments, order, places and secrets do not count', () => {
  expect(first).toMatch(/^[0-9a-f]{12}$/);
  const written = `# the same\njobs:\n  w: {to: "b:w", operation: push, from: "~/data"}
  x:\n    operation: push\n    from: ./data\n    to: a:x\n    window: "22:00-06:00"\n    exclude:\n    - y\n    - z
remotes: { b: { auth: { password: another }, host: h }, a: { host: h, auth: { key: ~/.ssh/k } } }\n`;
  expect(digest(written)).toBe(first);
  const elsewhere = { file: '/srv/f/jobs.yml', home: '/home/other', agent: '/run/agent.17' };
  expect(digest(file, elsewhere)).toBe(digest(file, { agent: '/run/agent.9' }));
});

test.each([
  ['a pattern', 'y, z', 'y'],
  ['a host', 'b: { host: h', 'b: { host: i'],
  ['a window', '22:00', '23:00'],
  ['a folder', './data', './date'],
  ['a way to log in', 'auth: { password: longer }', 'auth: { agent: true }'],
  ['a job less', '  w:', '  v:'],
])('is another with another meaning: %s', (_, one, other) => {
  expect(file).toContain(one);
  expect(digest(file.replace(one, other), { agent: '/run/agent' })).not.toBe(
    digest(file, { agent: '/run/agent' }),
  );
});
