/** The page around the view that the address names. */
import { Login } from './login.js';
import { session } from './session.js';
import { Shell } from './shell.js';

export function App() {
  const now = session.value;
  if (now === 'unknown') return <p class="wait">asking who you are …</p>;
  return now === 'none' ? <Login /> : <Shell />;
}
