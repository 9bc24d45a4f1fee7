/** What the views show: answers of the API, asked for again when something of theirs has changed. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { changed, type Topic } from './live.js';
import { ask, type Problem, session } from './session.js';

export interface Answer<T> {
  readonly data: T | undefined;
  readonly problem: Problem | undefined;
  /** Asks again. */
  readonly again: () => void;
}

/** Changes that come within this time are one, ms. */
const gatherMs = 500;

/**
 * The answer to a GET, kept up to date: `topics` are what it depends on. `key` names it; another one
 * drops the answer before.
 */
function useKept<T>(
  key: string | undefined,
  load: () => Promise<T>,
  topics: readonly Topic[],
): Answer<T> {
  const [found, setFound] = useState<{ key: string; data?: T; problem?: Problem }>();
  const latest = useRef(key);
  latest.current = key;
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (key === undefined) return;
    let isOver = false;
    const set = (value: { data?: T; problem?: Problem }) => {
      if (isOver || latest.current !== key) return;
      setFound((before) => {
        const kept = value.data === undefined && before?.key === key ? before.data : value.data;
        return { key, ...value, ...(kept !== undefined && { data: kept }) };
      });
    };
    load().then(
      (data) => set({ data }),
      (problem: Problem) => set({ problem }),
    );
    return () => {
      isOver = true;
    };
  }, [key, turn, session.value]);
  const again = () => setTurn((before) => before + 1);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = changed(topics, () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        again();
      }, gatherMs);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [key]);
  const own = found?.key === key ? found : undefined;
  return { data: own?.data, problem: own?.problem, again };
}

/** The answer to one GET; of an undefined path there is none. */
export function useAnswer<T>(path: string | undefined, topics: readonly Topic[]): Answer<T> {
  return useKept(path, () => ask<T>(path ?? ''), topics);
}

/** What can't be had of a run, since it is on a worker that does not answer. */
export interface Rest {
  readonly message: string;
  readonly worker?: string;
  readonly seenAt?: string;
}

interface PageOf<T> {
  readonly items: readonly T[];
  readonly next?: string;
  readonly rest?: Rest;
}

/** All items of a list, page after page. */
export async function everyPage<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? 'limit=500' : `limit=500&cursor=${cursor}`;
    const page: PageOf<T> = await ask(`${path}${path.includes('?') ? '&' : '?'}${query}`);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

export function useAll<T>(
  path: string | undefined,
  topics: readonly Topic[],
): Answer<readonly T[]> {
  return useKept<readonly T[]>(path, () => everyPage<T>(path ?? ''), topics);
}

/** A list that goes on as far as somebody looks. */
interface LongAnswer<T> extends Answer<readonly T[]> {
  /** Whether there is more. */
  readonly hasMore: boolean;
  readonly more: () => void;
  readonly rest: Rest | undefined;
}

/** The first pages of a list; asked for again it has as many items as before. */
export function useLong<T>(path: string, topics: readonly Topic[]): LongAnswer<T> {
  const [wanted, setWanted] = useState({ path, count: 100 });
  const count = wanted.path === path ? wanted.count : 100;
  const load = async () => {
    const items: T[] = [];
    let cursor: string | undefined;
    let rest: Rest | undefined;
    do {
      const query = cursor === undefined ? 'limit=100' : `limit=500&cursor=${cursor}`;
      const page: PageOf<T> = await ask(`${path}${path.includes('?') ? '&' : '?'}${query}`);
      items.push(...page.items);
      cursor = page.next;
      rest = page.rest;
    } while (cursor !== undefined && items.length < count);
    return { items, hasMore: cursor !== undefined, rest };
  };
  const { data, problem, again } = useKept(path, load, topics);
  const isLoading = useRef(0);
  return {
    data: data?.items,
    hasMore: data?.hasMore === true,
    rest: data?.rest,
    problem,
    again,
    more() {
      const have = data?.items.length ?? 0;
      if (data?.hasMore !== true || isLoading.current === have) return;
      isLoading.current = have;
      setWanted({ path, count: have + 500 });
      again();
    },
  };
}

/** A text once it has stayed the same for a moment: what is typed is not asked for letter by letter. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), gatherMs / 2);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/**
 * The lines of a run from the first on, as far as somebody looks; while the run goes on and is followed,
 * those that come.
 */
export function useLines<T>(path: string, isFollowed: boolean): Omit<LongAnswer<T>, 'again'> {
  const [found, setFound] = useState<{ path: string; page: PageOf<T> }>();
  const [problem, setProblem] = useState<Problem>();
  const isBusy = useRef(false);
  const page = found?.path === path ? found.page : undefined;
  const load = async (before: PageOf<T> | undefined) => {
    if (isBusy.current) return;
    isBusy.current = true;
    const cursor = before?.next === undefined ? '' : `&cursor=${before.next}`;
    try {
      const next: PageOf<T> = await ask(`${path}&limit=500&follow=true${cursor}`);
      setFound({ path, page: { ...next, items: [...(before?.items ?? []), ...next.items] } });
      setProblem(undefined);
    } catch (thrown) {
      setProblem(thrown as Problem);
    } finally {
      isBusy.current = false;
    }
  };
  useEffect(() => {
    isBusy.current = false;
    void load(undefined);
  }, [path]);
  useEffect(() => {
    if (!isFollowed) return;
    const timer = setInterval(() => {
      if (page?.next !== undefined) void load(page);
    }, 1500);
    return () => clearInterval(timer);
  }, [isFollowed, page]);
  return {
    data: page?.items,
    problem,
    hasMore: page?.next !== undefined,
    rest: page?.rest,
    more() {
      if (page?.next !== undefined && !isFollowed) void load(page);
    },
  };
}
