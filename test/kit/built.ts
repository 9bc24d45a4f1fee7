/** Modules of src for programs that a test starts by itself: Node can't run TypeScript. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'rolldown';

const project = join(import.meta.dirname, '../..');

/** The address of a module of src, such as `state/lock.ts`, bundled with what it imports from src; packages stay outside. */
export async function builtModule(module: string): Promise<string> {
  const name = createHash('sha256').update(`${module} ${process.pid}`).digest('hex').slice(0, 16);
  const file = join(project, `dist/test/${name}.mjs`);
  await build({
    input: join(project, 'src', module),
    platform: 'node',
    external: /^[^./]/,
    logLevel: 'silent',
    output: { file, format: 'esm', codeSplitting: false },
  });
  return pathToFileURL(file).href;
}
