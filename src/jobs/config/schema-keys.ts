/** The keys of the schema by the names that the reference gives them: `remotes.port`, `jobs.delete.max`. */
import { z } from 'zod';
import { job } from './job-schema.js';
import { channel } from './notify-schema.js';
import type { Path } from './problems.js';
import { remote } from './remote-schema.js';
import { config } from './schema.js';

export type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** The keys of the map that a schema takes, or of the maps in its list. */
export function shapeOf(schema: z.core.$ZodType): Shape | undefined {
  if (schema instanceof z.ZodOptional) return shapeOf(schema.unwrap());
  if (schema instanceof z.ZodArray) return shapeOf(schema.element);
  if (schema instanceof z.ZodObject) return schema.shape;
  if (!(schema instanceof z.ZodUnion)) return undefined;
  for (const option of schema.options) {
    const shape = shapeOf(option);
    if (shape !== undefined) return shape;
  }
  return undefined;
}

/** The shapes below the names that users give. */
const named: Readonly<Record<string, Shape>> = {
  remotes: remote.shape,
  jobs: job.shape,
  notify: channel.shape,
};

/**
 * The name of the deepest known key on a path of jobs.yml: `jobs.delete.max` for
 * `['jobs', 'nightly', 'delete', 'max']`. Undefined where the path begins with no known key.
 */
export function keyNameOf(path: Path): string | undefined {
  const [first = '', ...rest] = path.filter((step) => typeof step === 'string');
  if (!Object.hasOwn(config.shape, first)) return undefined;
  const [second = ''] = rest;
  if (first === 'defaults')
    return second in named ? below(second, named[second], rest.slice(1)) : first;
  if (first in named) return below(first, named[first], rest.slice(1));
  return below(first, shapeOf(config.shape[first as keyof typeof config.shape]), rest);
}

function below(name: string, shape: Shape | undefined, [key, ...rest]: readonly string[]): string {
  const schema = key === undefined || !Object.hasOwn(shape ?? {}, key) ? undefined : shape?.[key];
  return schema === undefined ? name : below(`${name}.${key}`, shapeOf(schema), rest);
}

/** The name of the job key on a path that begins below a job, as on the command line. */
export function jobKeyNameOf(path: Path): string | undefined {
  return keyNameOf(['jobs', '', ...path]);
}
