/** The log of a run: searched, by level, followed while it goes on, and to be kept as a file. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useAll } from './answers.js';
import { Choice } from './choice.js';
import { type Column, LongList } from './long-list.js';
import { ProblemText } from './parts.js';
import { route } from './route.js';
import { Search } from './search.js';
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

export function LogView({ path, run }: { readonly path: string; readonly run: Run }) {
  const { data, problem, again } = useAll<LogLine>(path, ['runs']);
  const [isFollowed, setFollowed] = useState(run.state === 'active');
  const end = useRef<HTMLDivElement>(null);
  const isActive = run.state === 'active';
  useEffect(() => {
    if (!isActive || !isFollowed) return;
    const timer = setInterval(again, 2000);
    return () => clearInterval(timer);
  }, [isActive, isFollowed]);
  const lines = useMemo(() => (data ?? []).map(lineOf), [data]);
  const { filter } = route.value;
  const text = (filter.get('q') ?? '').toLowerCase();
  const level = filter.get('level') ?? '';
  const found = useMemo(
    () =>
      lines.filter(
        (line) => (level === '' || line.level === level) && line.text.toLowerCase().includes(text),
      ),
    [lines, text, level],
  );
  useEffect(() => {
    if (isActive && isFollowed) end.current?.scrollIntoView({ block: 'end' });
  }, [lines.length]);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  return (
    <>
      <div class="filters">
        <Search
          label="Search the log"
          found={`${countText(found.length)} of ${countText(lines.length)} lines`}
        />
        <Choice name="level" of={['info', 'warning', 'error']} />
        <label>
          <input
            type="checkbox"
            checked={isFollowed}
            disabled={!isActive}
            onChange={(event) => setFollowed(event.currentTarget.checked)}
          />{' '}
          follow
        </label>
        <button type="button" onClick={() => download(run.run, data)}>
          Download
        </button>
      </div>
      <ProblemText problem={problem} />
      <LongList
        label="Log"
        items={found}
        columns={columns}
        keyOf={({ at }) => String(at)}
        widths="9rem 5rem minmax(10rem, 1fr)"
      />
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

function textOf(line: LogLine): string {
  const { event, action, path, message, outcome, bytes, target, text, remote, kind } = line;
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
  const { event: _, time: __, ...rest } = line;
  return `${event} ${JSON.stringify(rest)}`;
}

/** The log as a file, as it is kept. */
function download(run: string, lines: readonly LogLine[]): void {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const url = URL.createObjectURL(new Blob([text], { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${run}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
