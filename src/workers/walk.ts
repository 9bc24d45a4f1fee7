/** Visits a tree with a bounded number of visits at once. */

/** Visits `root` and whatever each visit finds to visit next, at most `atOnce()` at a time; the first error ends it. */
export function walk<T>(
  root: T,
  atOnce: () => number,
  visit: (task: T) => Promise<T[]>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // a stack: depth first keeps it short
    const open: T[] = [root];
    let running = 0;
    let failed = false;
    const pump = () => {
      while (!failed && running < atOnce()) {
        const task = open.pop();
        if (task === undefined) break;
        running++;
        visit(task).then(
          (next) => {
            running--;
            for (let i = next.length - 1; i >= 0; i--) open.push(next[i] as T);
            pump();
          },
          (error) => {
            failed = true;
            reject(error);
          },
        );
      }
      if (running === 0 && open.length === 0) resolve();
    };
    pump();
  });
}
