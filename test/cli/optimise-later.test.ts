/** V8's flag that is set at the start. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { builtModule } from '../kit/built.js';

test('V8 knows the flag, and code that was kept counts as before', async () => {
  const script = `
    import { Script } from 'node:vm';
    import { optimiseLater } from '${await builtModule('cli/optimise-later.ts')}';
    const text = '(function add(a, b) { return a + b; })';
    const before = new Script(text).createCachedData();
    optimiseLater('11.3');
    const again = new Script(text, { cachedData: before });
    const after = new Script(text, { cachedData: again.createCachedData() });
    console.log(again.cachedDataRejected, after.cachedDataRejected);
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toBe('false false\n');
});
