/** Where the page begins: who is there, then the view that the address names. */
// first: see there
import { code } from './code.js';
import './start.js';
import { begin } from './session.js';

void begin(code);
