/** Messages to channels, newest first; one that did not arrive can be sent again. */
import { useLong } from '../answers.js';
import { Choice } from '../choice.js';
import { type Column, LongList } from '../long-list.js';
import { Act, ProblemText } from '../parts.js';
import { route, to } from '../route.js';
import { Time } from '../times.js';
import type { Message } from '../types.js';

const columns: readonly Column<Message>[] = [
  { name: 'made', cell: ({ madeAt }) => <Time at={madeAt} /> },
  { name: 'channel', cell: ({ channel }) => channel },
  {
    name: 'about',
    cell: ({ steps }) =>
      steps.map(({ incident, step }) => (
        <>
          <a key={incident} href={to('incidents', incident)}>
            {incident}
          </a>{' '}
          {step}{' '}
        </>
      )),
  },
  {
    name: 'state',
    cell: ({ state, tries }) => (
      <span class={state === 'dead' ? 'bad' : ''}>
        {state === 'dead' ? '✕ ' : state === 'sent' ? '✓ ' : ''}
        {state}
        {tries !== undefined && `, ${tries} failed attempts`}
      </span>
    ),
  },
  { name: 'why', cell: ({ why = '' }) => <span title={why}>{why}</span> },
  {
    name: 'action',
    cell: ({ id, state }) =>
      state === 'dead' ? (
        <Act name="Send" of={id} path={`messages/${encodeURIComponent(id)}/send`} />
      ) : (
        ''
      ),
  },
];

export function Messages() {
  const state = route.value.filter.get('state') ?? '';
  const query = state === '' ? '' : `?state=${state}`;
  const { data, problem, hasMore, more } = useLong<Message>(`messages${query}`, ['messages']);
  return (
    <>
      <div class="filters">
        <Choice name="state" of={['waiting', 'sent', 'dead']} />
      </div>
      <ProblemText problem={problem} />
      {data?.length === 0 && <p>There is none.</p>}
      {data !== undefined && data.length > 0 && (
        <LongList
          label="Messages"
          items={data}
          columns={columns}
          keyOf={({ id }) => id}
          widths="9rem minmax(5rem, 1fr) minmax(8rem, 2fr) minmax(6rem, 1fr) minmax(6rem, 2fr) 6rem"
          more={hasMore ? more : undefined}
        />
      )}
    </>
  );
}
