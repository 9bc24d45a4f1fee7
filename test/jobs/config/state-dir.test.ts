/** `stateDir` is found in a jobs.yml with errors, so that commands can talk to its daemon. */
import { expect, test } from 'vitest';
import { stateDirOf } from '../../../src/jobs/config/state-dir.js';

const context = {
  file: '/srv/shop/jobs.yml',
  env: { STATE: '/var/state' },
  home: '/home/me',
  readFile: (path: string) => `${path}.d\n`,
};

test.each<[string, string | undefined]>([
  ['jobs: {}', undefined],
  ['stateDir: /var/lib/shop\njobs: {}', '/var/lib/shop'],
  ['stateDir: ./state\nnonsense: true', '/srv/shop/state'],
  ['stateDir: ~/state', '/home/me/state'],
  ['stateDir: ${STATE}/shop', '/var/state/shop'],
  ['stateDir: ${file:/etc/where}', '/etc/where.d'],
  ['{"stateDir": "/json", "jobs": {}}', '/json'],
  ['stateDir: false', undefined],
  ['jobs: { stateDir: { from: ./x } }', undefined],
  // No valid YAML:
  ['stateDir: "/broken" # here\njobs: [}', '/broken'],
  ["'stateDir': '/broken'\njobs: [}", '/broken'],
  ['stateDir: /broken dir  # here\n\tjobs:', '/broken dir'],
  ['jobs:\n  - [}\n  stateDir: /of-a-job', undefined],
])('in %j it is %s', (text, expected) => {
  expect(stateDirOf(text, context)).toBe(expected);
});

test.each(['stateDir: ${MISSING}', 'stateDir: ~other/state', 'stateDir: [a]', 'stateDir: ""'])(
  '%j is an error that says how to go on',
  (text) => {
    expect(() => stateDirOf(text, context)).toThrow(
      expect.objectContaining({
        kind: 'config',
        hint: expect.stringContaining('FERRYLINE_STATE_DIR'),
      }),
    );
  },
);
