/** The OpenAPI document that `npm run docs` writes to docs/openapi.json, and the check of answers against it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { createApi, describeApi } from '../../src/server/api/app.js';
import { apiPartsOf, givenControls } from './daemons/controls.js';

type Node = Readonly<Record<string, unknown>>;

export function apiDocument(): object {
  const app = createApi(apiPartsOf(givenControls({})), { letIn: (_, next) => next() });
  return describeApi(app, '1');
}

let committed: Node | undefined;

/** What is wrong with an answer, by docs/openapi.json: fields that it does not have are wrong, too. `[]`: nothing. */
export function wrongIn(method: string, path: string, status: number, body: unknown): string[] {
  committed ??= JSON.parse(
    readFileSync(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8'),
  ) as Node;
  const paths = committed.paths as Readonly<Record<string, Node>>;
  const [asked = ''] = path.split('?');
  const route = Object.keys(paths).find((form) =>
    new RegExp(`^${form.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(asked),
  );
  // Of an address that is none, the answer is a problem.
  const isNone = status >= 400 && paths[route ?? '']?.[method.toLowerCase()] === undefined;
  if (isNone) return wrongIn('get', '/api/v1/session', status, body);
  const operation = paths[route ?? '']?.[method.toLowerCase()] as Node | undefined;
  const responses = operation?.responses as Readonly<Record<string, Node>> | undefined;
  const response = responses?.[status] ?? responses?.default;
  const [content] = Object.values((response?.content ?? {}) as Readonly<Record<string, Node>>);
  if (content === undefined) return [`${method} ${asked} has no answer ${status} in the document`];
  const schema = strict(content.schema, committed) as Parameters<typeof z.fromJSONSchema>[0];
  const found = z.fromJSONSchema(schema).safeParse(body);
  return (found.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

/** A schema without references, in which an object has no fields but those it names. */
function strict(node: unknown, document: Node): unknown {
  if (Array.isArray(node)) return node.map((inner) => strict(inner, document));
  if (typeof node !== 'object' || node === null) return node;
  const { $ref } = node as { readonly $ref?: string };
  if ($ref !== undefined) {
    const steps = $ref.slice(2).split('/');
    return strict(
      steps.reduce<unknown>((at, step) => (at as Node)[step], document),
      document,
    );
  }
  const inner = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, strict(value, document)]),
  );
  const isClosed = 'properties' in node && !('additionalProperties' in node);
  return isClosed ? { ...inner, additionalProperties: false } : inner;
}
