/** The processes on the queue: whether all are there, and read the same jobs.yml. */
import { useAll } from '../answers.js';
import { ProblemText, RunLink, When } from '../parts.js';

interface Worker {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly roles: readonly string[];
  readonly names: readonly string[];
  readonly digest: string;
  readonly runs: readonly string[];
  readonly startedAt: string;
  readonly seenAt: string;
}

export function Workers() {
  const { data, problem } = useAll<Worker>('workers', ['workers', 'queue', 'config', 'runs']);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  const digests = [...new Set(data.map(({ digest }) => digest))];
  return (
    <>
      <ProblemText problem={problem} />
      {digests.length > 1 && <p class="warn">! They read different jobs.yml.</p>}
      {data.length === 0 && <p class="warn">! No process is known: the queue can’t be reached.</p>}
      <ul class="plain">
        {data.map(({ id, host, pid, version, roles, names, digest, runs, startedAt, seenAt }) => (
          <li key={id} class="card">
            <h2>
              {host}, process {pid}
            </h2>
            <dl class="facts">
              <div>
                <dt>version</dt>
                <dd>{version}</dd>
              </div>
              <div>
                <dt>roles</dt>
                <dd>{roles.join(', ')}</dd>
              </div>
              <div>
                <dt>names</dt>
                <dd>{names.join(', ') || 'none'}</dd>
              </div>
              <div>
                <dt>jobs.yml</dt>
                <dd class="mono">{digest.slice(0, 8)}</dd>
              </div>
              <div>
                <dt>started</dt>
                <dd>
                  <When at={startedAt} />
                </dd>
              </div>
              <div>
                <dt>last seen</dt>
                <dd>
                  <When at={seenAt} />
                </dd>
              </div>
              <div>
                <dt>runs in hand</dt>
                <dd>
                  {runs.length === 0 && 'none'}
                  {runs.map((run) => (
                    <div key={run}>
                      <RunLink run={run} />
                    </div>
                  ))}
                </dd>
              </div>
            </dl>
          </li>
        ))}
      </ul>
    </>
  );
}
