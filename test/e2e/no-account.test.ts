/** A user without an account and without HOME, as `docker run --user 54321` makes one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { readTree } from '../kit/files/tree.js';

/** What Node throws there; a preloaded file, since tests may not run as root to become such a user. */
const noAccount = `
const os = require('node:os');
const none = () => { throw Object.assign(new Error('uv_os_homedir returned ENOENT (no such file or directory)'), { code: 'ERR_SYSTEM_ERROR' }); };
os.homedir = none;
os.userInfo = none;
require('node:module').syncBuiltinESMExports();
`;

test('a run, and a command without a jobs.yml', async ({ scene }) => {
  scene.writeHere({ a: 'a' });
  await scene.jobs();
  const file = join(await temporaryFolder(), 'no-account.cjs');
  writeFileSync(file, noAccount);
  const env = { NODE_OPTIONS: `--require ${file}`, HOME: '' };
  const result = await scene.cli(['run', 'job', '--json'], { env });
  expect(result.code, result.stderr).toBe(0);
  expect(readTree(scene.there())).toEqual({ a: 'a' });
  const adHoc = await scene.cli(['push', './data', '127.0.0.1:x'], { env });
  expect(adHoc.code, adHoc.stderr).not.toBe(1);
});
