/** The files of the package. In the sources and in dist alike, the root is two folders above this folder. */
import { fileURLToPath } from 'node:url';

/** The root: package.json and jobs.yml are in it. */
export const packageFolder = new URL('../../', import.meta.url);

/** The built program, which `node` runs. */
export const builtProgram = fileURLToPath(new URL('./main.js', import.meta.url));
