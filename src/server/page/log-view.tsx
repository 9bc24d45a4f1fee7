/** The log of a run: searched, by level, followed while it goes on, and to be kept as a file. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { everyPage, useLines, useSettled } from './answers.js';
import { Choice } from './choice.js';
import { type Column, LongList } from './long-list.js';
import { ProblemText, RestText } from './parts.js';
import { route } from './route.js';
import { Search } from './search.js';
import type { Problem } from './session.js';
import { bytesText, countText, Time } from './times.js';
import type { LogLine, Run } from './types.js';

interface Line {
  readonly at: number;
  readonly time: string;
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

const columns: readonly Column<Line>[] = [
  { name: 'time', cell: ({ time }) => <Time at={time} exact /> },
  {
    name: 'level',
    cell: ({ level }) => <span class={level === 'info' ? 'quiet' : 'bad'}>{level}</span>,
  },
  { name: 'line', cell: ({ text }) => <span title={text}>{text}</span> },
];

interface LogViewProps {
  /** Of the run: `runs/RUN`. */
  readonly path: string;
  readonly part: 'log' | 'transcript';
  readonly run: Run;
}

export function LogView({ path, part, run }: LogViewProps) {
  const isActive = run.state === 'active';
  const [isFollowed, setFollowed] = useState(isActive);
  const { filter } = route.value;
  const query = new URLSearchParams();
  const text = useSettled(filter.get('q') ?? '');
  const level = part === 'log' ? (filter.get('level') ?? '') : '';
  if (text !== '') query.set('q', text);
  if (level !== '') query.set('level', level);
  const follows = isActive && isFollowed;
  const { data, problem, hasMore, more, rest } = useLines<LogLine>(
    `${path}/${part}?${query}`,
    follows,
  );
  const end = useRef<HTMLDivElement>(null);
  const lines = useMemo(() => (data ?? []).map(lineOf), [data]);
  useEffect(() => {
    if (follows) end.current?.scrollIntoView({ block: 'end' });
  }, [lines.length, follows]);
  return (
    <>
      <div class="filters">
        <Search
          label={`Search the ${part}`}
          found={`${countText(lines.length)}${hasMore ? ' or more' : ''} lines`}
        />
        {part === 'log' && <Choice name="level" of={['info', 'warning', 'error']} />}
        {isActive && (
          <label>
            <input
              type="checkbox"
              checked={isFollowed}
              onChange={(event) => setFollowed(event.currentTarget.checked)}
            />{' '}
            follow
          </label>
        )}
        <Download path={`${path}/${part}`} name={`${run.run}-${part}.ndjson`} />
      </div>
      <ProblemText problem={problem} />
      <RestText rest={rest} />
      {data === undefined && problem === undefined && <p>asking …</p>}
      {data?.length === 0 && (
        <p>{part === 'transcript' ? 'It has none: start the daemon with -vv.' : 'no line'}</p>
      )}
      {lines.length > 0 && (
        <LongList
          label={part}
          items={lines}
          columns={columns}
          keyOf={({ at }) => String(at)}
          widths="9rem 5rem minmax(10rem, 1fr)"
          more={hasMore ? more : undefined}
        />
      )}
      <div ref={end} />
    </>
  );
}

function lineOf(line: LogLine, at: number): Line {
  const { time, event, action, level, outcome } = line;
  const isBad = action === 'fail' || (event === 'run' && outcome !== 'succeeded');
  const is = isBad ? 'error' : level === 'warning' ? 'warning' : 'info';
  return { at, time, level: is, text: textOf(line) };
}

export function textOf(line: LogLine): string {
  const { event, action, path, message, outcome, bytes, target, text, remote, kind, reason } = line;
  const of = target === undefined ? '' : `${target}: `;
  const size = bytes === undefined ? '' : ` (${bytesText(bytes)})`;
  const why = message === undefined ? '' : `: ${message}`;
  if (event === 'file') return `${of}${action} ${path}${size}${why}`;
  if (event === 'notice') return `${of}${message}`;
  if (event === 'transcript') return `${remote} ${kind}: ${text}`;
  if (event === 'run') return `${outcome}${why}`;
  if (event === 'plan') {
    const counts = ['mkdirs', 'copies', 'attrs', 'renames', 'deletes', 'conflicts'];
    return `${of}plan: ${counts.map((name) => `${line[name] ?? 0} ${name}`).join(', ')}`;
  }
  if (event === 'action')
    return `${of}${action} ${path}${size}${reason === undefined ? '' : `: ${reason}`}`;
  const { event: _, time: __, ...rest } = line;
  return `${event} ${JSON.stringify(rest)}`;
}

/** All of it as a file, as it is kept. */
function Download({ path, name }: { readonly path: string; readonly name: string }) {
  const [problem, setProblem] = useState<Problem>();
  const get = async () => {
    try {
      const lines = await everyPage<LogLine>(path);
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      save(new Blob([text], { type: 'application/x-ndjson' }), name);
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
  };
  return (
    <>
      <button type="button" onClick={() => void get()}>
        Download
      </button>
      <ProblemText problem={problem} />
    </>
  );
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
