// `npm run torture -- --minutes N [--seed S] [--path P]`: the tests of this folder, for longer.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' }, path: { type: 'string' } },
});
const env = { ...process.env };
for (const [name, value] of Object.entries({ minutes: '10', ...values }))
  env[`FERRYLINE_TORTURE_${name.toUpperCase()}`] = value;
const vitest = [
  'vitest',
  'run',
  '--project',
  'ferryline',
  'test/torture',
  '--disable-console-intercept',
];
process.exitCode = spawnSync('npx', vitest, { env, stdio: 'inherit' }).status ?? 1;
