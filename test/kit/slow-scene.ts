/** A scene whose job takes half a minute, so that a test can act in the middle of its run. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from './daemons/daemon.js';
import { openScene, remoteIn, type Scene } from './scene.js';
import type { Sshd } from './servers/sshd.js';

export interface SlowScene extends Scene {
  /** Another jobs.yml with the same job, without the limit that makes it slow. */
  readonly fast: string;
  /** The names of all files, in the order in which they are copied. */
  readonly names: readonly string[];
  /** Those that exist at the destination under their final names. */
  arrived(): string[];
  /** Resolves once some have arrived, but far from all, to their number. */
  begun(): Promise<number>;
}

const size = 2048;

export async function openSlowScene(sshd: Sshd): Promise<SlowScene> {
  const scene = await openScene(sshd);
  const names = Array.from({ length: 300 }, (_, i) => `f-${String(i).padStart(3, '0')}`);
  scene.writeHere(Object.fromEntries(names.map((name) => [name, name.padEnd(size, '.')])));
  await scene.jobs({}, { bandwidth: '48KiB/s' });
  const fast = join(scene.cwd, 'fast.yml');
  writeFileSync(
    fast,
    stringify({
      remotes: { archive: remoteIn(sshd) },
      jobs: { job: { operation: 'mirror', from: './data', to: `archive:${scene.place}` } },
    }),
  );
  const arrived = () => {
    try {
      return readdirSync(scene.there())
        .filter((name) => names.includes(name))
        .sort();
    } catch {
      return [];
    }
  };
  return {
    ...scene,
    fast,
    names,
    arrived,
    async begun() {
      const count = await eventually(() => arrived().length > 5 && arrived().length);
      if (count > names.length / 2) throw new Error('the run is about to end already');
      return count;
    },
  };
}
