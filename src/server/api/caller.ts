/** Who sends a request, once it was let in. */
import type { HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiRole } from '../../core/api-rules.js';

export interface Caller {
  /** `cli`, or the name of the token in jobs.yml. */
  readonly name: string;
  readonly role: ApiRole;
  readonly via: 'socket' | 'http';
  /** Where it comes from; absent on the socket. */
  readonly address?: string;
  /** Of a session of the page: when it ends, ms since the epoch. */
  readonly until?: number;
}

/** What an app of Hono has for each request; no caller: only what anybody may ask. */
export interface ApiEnv {
  readonly Bindings: HttpBindings;
  readonly Variables: {
    caller?: Caller;
    /** Whether whoever asks would still be let in; absent on the socket. */
    stillIn?: () => Promise<boolean>;
  };
}

export type ApiApp = OpenAPIHono<ApiEnv>;
