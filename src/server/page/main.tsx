/** Where the page begins: who is there, then the view that the address names. */
import { render } from 'preact';
import { App } from './app.js';
import { begin } from './session.js';

// first of all: the code leaves the address, and with it the history
const code = takeCode();
const root = document.getElementById('page');
if (root !== null) render(<App />, root);
void begin(code);

/** The code of `ferryline open`, taken out of the address. */
function takeCode(): string | undefined {
  const [, found] = /^#code=([\w-]+)$/.exec(location.hash) ?? [];
  if (found !== undefined) history.replaceState(null, '', location.pathname);
  return found;
}
