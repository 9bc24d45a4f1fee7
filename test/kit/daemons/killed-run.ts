/** A run that is killed at a chosen request. */
import type { Scene } from '../scene.js';
import type { Asked, HostileServer } from '../servers/hostile-server.js';
import { startFerryline } from './cli.js';

/** Runs the scene's job until the server gets a request that `when` picks, which it neither carries out nor answers; then SIGKILL. */
export async function killedRun(
  scene: Scene,
  hostile: HostileServer,
  when: (asked: Asked) => boolean,
): Promise<void> {
  const live = startFerryline(['run', 'job'], { cwd: scene.cwd });
  let isKilled = false;
  hostile.behave = (asked) => {
    if (!isKilled && !when(asked)) return 'normal';
    isKilled = true;
    live.child.kill('SIGKILL');
    return 'silent';
  };
  const { code, stderr } = await live.ended;
  hostile.behave = () => 'normal';
  if (code !== 137) throw new Error(`the run ended with ${code} before it was killed: ${stderr}`);
}
