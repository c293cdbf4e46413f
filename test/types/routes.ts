// Compiled with the tests and never run: each line below an expect-error must go on failing to compile.
import { empty, json } from '../../ts/http/reply.js';
import { type Param, routesOf } from '../../ts/http/route.js';
import type { Ruled } from '../../ts/packages/package-handle.js';

interface Crate extends Ruled {
  readonly weight: number;
}

const route = routesOf<Crate>();
const name: Param<{ readonly scope: string }> = { pattern: '[^/]+', parse: (raw) => ({ scope: raw }) };
const handler = async () => empty(200);

// @ts-expect-error access cannot be left out
export const withoutAccess = route({ id: 'x', method: 'GET', path: '/', params: {}, handler });

// @ts-expect-error a package route names its package
export const withoutPackage = route({ id: 'x', method: 'GET', path: '/{name}', params: { name }, access: 'read', handler });

// @ts-expect-error a public route names none
export const publicPackage = route({
  id: 'x',
  method: 'GET',
  path: '/{name}',
  params: { name },
  access: 'public',
  package: () => 'x',
  handler,
});

export const missingParam = route({
  id: 'x',
  method: 'GET',
  path: '/{name}/{file}',
  // @ts-expect-error every placeholder has its grammar
  params: { name },
  access: 'public',
  handler,
});

export const unknownParam = route({
  id: 'x',
  method: 'GET',
  path: '/{name}',
  params: { name },
  access: 'public',
  // @ts-expect-error only what the path names
  handler: async ({ params }) => empty(200, { a: params.nope }),
});

export const wrongParamType = route({
  id: 'x',
  method: 'GET',
  path: '/{name}',
  params: { name },
  access: 'public',
  // @ts-expect-error a parameter has its own type
  handler: async ({ params }) => empty(200, { a: params.name }),
});

export const response = route({
  id: 'x',
  method: 'GET',
  path: '/',
  params: {},
  access: 'public',
  // @ts-expect-error a handler answers a Reply
  handler: async () => new Response('x'),
});

// @ts-expect-error HEAD is GET's business
export const head = route({ id: 'x', method: 'HEAD', path: '/', params: {}, access: 'public', handler });

export const action = route({
  id: 'x',
  method: 'GET',
  path: '/{name}',
  params: { name },
  // @ts-expect-error no such action
  access: 'write',
  package: () => 'x',
  handler,
});

export const parsedBody = route({
  id: 'x',
  method: 'PUT',
  path: '/',
  params: {},
  access: 'authenticated',
  body: { max: 10, parse: async () => 5 },
  // @ts-expect-error the handler is given what `parse` answers
  handler: async ({ body }) => json(body.stream(), 'no-store'),
});

export const fine = route({
  id: 'x',
  method: 'PUT',
  path: '/{name}',
  params: { name },
  access: ['create', 'overwrite'],
  package: ({ name: { scope } }) => scope,
  body: { max: 10, parse: async () => 5 },
  handler: async ({ body, params, package: crate }) =>
    json({ sum: body + crate.snapshot.state.weight, scope: params.name.scope }, 'no-store'),
});
