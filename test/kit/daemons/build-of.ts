/** The program as an earlier commit has it, built in a folder of its own. */
import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '../files/temporary.js';

const project = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

/** Resolves to its `main.js`. The commit must be in the history of this clone; its packages are today's. */
export async function buildOf(commit: string): Promise<string> {
  const folder = await temporaryFolder();
  const archive = join(folder, 'source.tar');
  await run('git', ['archive', '--output', archive, commit], { cwd: project });
  await run('tar', ['-xf', archive], { cwd: folder });
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'));
  await run('npx', ['rolldown', '-c', 'rolldown.config.ts'], { cwd: folder });
  return join(folder, 'dist/cli/main.js');
}
