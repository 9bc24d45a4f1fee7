/** The code of `ferryline open`. Loaded before all else: it leaves the address, and with it the history, first thing. */
const [, found] = /^#code=([\w-]+)$/.exec(location.hash) ?? [];
if (found !== undefined) history.replaceState(null, '', location.pathname);

export const code: string | undefined = found;
