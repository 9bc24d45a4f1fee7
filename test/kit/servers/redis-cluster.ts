/** A Redis Cluster on loopback: three masters, and a replica of the one that has our keys. */
import { vi } from 'vitest';
import { freePort } from './free-port.js';
import { type Redis, startRedis } from './redis.js';

export interface RedisCluster {
  /** `redis+cluster://127.0.0.1:PORT,…` with two of the nodes. */
  readonly url: string;
  /** The master whose slots have our keys, its replica, and the two others. */
  readonly nodes: readonly Redis[];
  /** Moves the slot of a key with all that is in it, as resharding does. */
  moveSlot(key: string, from: Redis, to: Redis): Promise<void>;
  stop(): Promise<void>;
}

const slots = 16_384;

/** The caller stops it. `key` is one that the first node shall have. A silent master is replaced after a second. */
export async function startRedisCluster(key: string): Promise<RedisCluster> {
  const started = await Promise.all(Array.from({ length: 4 }, () => startNode()));
  const nodes = started.map(({ redis }) => redis);
  const [owner, replica, ...others] = nodes as [Redis, Redis, Redis, Redis];
  const ours = Number(await owner.command('cluster', 'keyslot', key));
  await owner.command('cluster', 'addslots', `${ours}`);
  const ranges = [
    [0, ours - 1],
    [ours + 1, slots - 1],
  ] as const;
  for (const [n, [from, to]] of ranges.entries())
    await others[n]?.command('cluster', 'addslotsrange', `${from}`, `${to}`);
  for (const { redis, bus } of started.slice(1))
    await owner.command('cluster', 'meet', '127.0.0.1', `${redis.port}`, `${bus}`);
  const id = await owner.command('cluster', 'myid');
  const settled = { timeout: 30_000, interval: 100 };
  await vi.waitFor(() => replica.command('cluster', 'replicate', id), settled);
  await vi.waitFor(async () => {
    for (const node of nodes)
      if (!(await node.command('cluster', 'info')).includes('cluster_state:ok'))
        throw new Error('a node does not know the others yet');
    if (!(await replica.command('info', 'replication')).includes('master_link_status:up'))
      throw new Error('the replica does not follow yet');
  }, settled);
  return {
    url: `redis+cluster://127.0.0.1:${others[0].port},127.0.0.1:${owner.port}`,
    nodes,
    async moveSlot(key, from, to) {
      const slot = await from.command('cluster', 'keyslot', key);
      const [source, target] = await Promise.all(
        [from, to].map((node) => node.command('cluster', 'myid')),
      );
      await to.command('cluster', 'setslot', slot, 'importing', `${source}`);
      await from.command('cluster', 'setslot', slot, 'migrating', `${target}`);
      const where = ['127.0.0.1', `${to.port}`, '', '0', '5000'];
      for (;;) {
        const text = await from.command('cluster', 'getkeysinslot', slot, '1000');
        const keys = text.split('\n').filter((name) => name !== '');
        if (keys.length === 0) break;
        await from.command('migrate', ...where, 'keys', ...keys);
      }
      // The others hear of it from that node. A master without slots becomes its replica.
      await to.command('cluster', 'setslot', slot, 'node', `${target}`);
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** A node, and the port on which nodes talk to one another: by default one that may not exist. */
async function startNode() {
  const bus = await freePort();
  const config = [
    'cluster-enabled yes',
    `cluster-port ${bus}`,
    'cluster-node-timeout 1000',
    'cluster-replica-validity-factor 0',
  ];
  return { redis: await startRedis({ config }), bus };
}
