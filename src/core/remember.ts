/** Answers that are costly to compute and always the same. Pure. */

/**
 * The same function, which computes its answer to a text once. It forgets all answers when it has
 * `most` of them, so that texts without end take no memory without end.
 */
export function remembered<T>(most: number, compute: (text: string) => T): (text: string) => T {
  const known = new Map<string, { readonly answer: T }>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found.answer;
    const answer = compute(text);
    if (known.size >= most) known.clear();
    known.set(text, { answer });
    return answer;
  };
}
