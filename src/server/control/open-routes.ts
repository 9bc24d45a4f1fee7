/** The socket's request for the page's address, with a code in its fragment that opens the page once. */
import { FerryError } from '../../core/errors.js';
import type { ApiApp } from '../api/caller.js';
import type { Sessions } from '../api/sessions.js';

/** A line of the answer. */
export type PageAddress = { readonly address: string } | { readonly used: boolean };

/** How long the answer waits for the code's use, ms. */
const waitMs = 10_000;

export interface OpenParts {
  readonly sessions: Sessions;
  /** The page's address for people; undefined where this daemon has none. */
  readonly pageAddress: () => string | undefined;
}

export function addOpenRoutes(app: ApiApp, { sessions, pageAddress }: OpenParts): void {
  app.post('/api/open', () => {
    const base = pageAddress();
    if (base === undefined) throw noPage();
    const { code, used } = sessions.makeCode(waitMs);
    const encoder = new TextEncoder();
    const line = (value: PageAddress) => encoder.encode(`${JSON.stringify(value)}\n`);
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(line({ address: `${reachable(base)}/#code=${code}` }));
        const was = await used;
        try {
          controller.enqueue(line({ used: was }));
          controller.close();
        } catch {
          // the command has gone
        }
      },
    });
    return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } });
  });
}

/** An address that stands for all of a machine's is no address to go to. */
function reachable(address: string): string {
  return address.replace(/^http:\/\/(?:0\.0\.0\.0|\[::\]):/, 'http://127.0.0.1:');
}

function noPage(): FerryError {
  return new FerryError('config', 'this daemon has no page: it does not listen on a port', {
    hint: 'start it with the role `api`, with a free address as api.listen in jobs.yml',
  });
}
