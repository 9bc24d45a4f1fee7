/** That no secret is shown or kept. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Result } from './daemons/cli.js';
import type { Scene } from './scene.js';

/** All files below a folder, with their paths, as one text. */
function everything(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => `${path}\n${readFileSync(path, 'latin1')}`)
    .join('\n');
}

/** No secret is in the output or in the state folder. */
export function expectSecretFree(scene: Scene, result: Result, secret: string): void {
  const seen = [result.stdout, result.stderr, everything(join(scene.cwd, '.state'))].join('\n');
  const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')];
  for (const form of [...forms, Buffer.from(secret).toString('hex')])
    expect(seen).not.toContain(form);
  // the search can find it: the transcript is there
  if (result.stderr.includes('command:')) expect(seen).toContain('logg');
}
