/** What somebody sees who has no session: how to get one. */
import { useState } from 'preact/hooks';
import { logIn, loginProblem } from './session.js';

export function Login() {
  const [token, setToken] = useState('');
  return (
    <main class="login">
      <h1>ferryline</h1>
      <p>
        On the machine of the daemon, <code>ferryline open</code> opens this page;{' '}
        <code>ferryline open --print</code> prints its address, for a tunnel.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void logIn({ token: token.trim() });
        }}
      >
        <label for="token">Or paste a token of jobs.yml</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          required
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <button type="submit">Log in</button>
      </form>
      {loginProblem.value !== undefined && (
        <p role="alert" class="bad">
          {loginProblem.value}
        </p>
      )}
    </main>
  );
}
