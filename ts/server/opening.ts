import { houseFailure } from '../compose-failure.js';
import { unavailable } from '../errors/registry-error.js';
import type { IRequestContext, RawHandler, RawResponse } from '../http/context.js';
import { locate } from '../http/target.js';
import { utf8 } from '../lib/bytes.js';

/** Other paths below `/-/` may belong to a repository at the root of the host. */
const OWN = /^\/(?:-\/(?:health|ready|metrics)|-\/api(?:\/.*)?|-\/ui(?:\/.*)?)$/;
const UP = utf8('{"status":"up"}');

/** Whether this path is the house's. `rootTaken`: a repository is mounted at the root of the host, and `/` belongs to it. */
export const isOwnPath = (path: string, rootTaken: boolean): boolean => OWN.test(path) || (path === '/' && !rootTaken);

function up(head: boolean): RawResponse {
  return {
    status: 200,
    statusText: undefined,
    headers: { 'Content-Type': 'application/json', 'Content-Length': String(UP.byteLength), 'Cache-Control': 'no-store' },
    body: head ? undefined : UP,
    about: { repository: undefined, route: 'health', user: undefined },
  };
}

/**
 * What answers while a store is looked at and its logs are folded, which may take longer than a supervisor waits for a sign of life: the process is up, and it
 * is not ready. What is no business of the house goes to the registry, which lets it wait for a while.
 */
export const opening = (registry: RawHandler & { handles(path: string): boolean }): RawHandler => ({
  async handle(context: IRequestContext): Promise<RawResponse> {
    const { method } = context;
    const { path } = locate(context);
    if (path === '/-/health' && (method === 'GET' || method === 'HEAD')) return up(method === 'HEAD');
    if (isOwnPath(path, registry.handles('/'))) return houseFailure(unavailable('the server is starting'), method === 'HEAD');
    return registry.handle(context);
  },
});
