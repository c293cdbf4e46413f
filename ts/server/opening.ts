import type { IRequestContext, RawHandler, RawResponse } from '../http/context.js';
import { locate } from '../http/target.js';
import { utf8 } from '../lib/bytes.js';

const UP = utf8('{"status":"up"}');

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
 * What answers while a store is looked at and its logs are folded, which may take longer than a supervisor waits for a sign of life: the process is up. All
 * else goes to the registry, which is not open and says so.
 */
export const opening = (registry: RawHandler): RawHandler => ({
  handle(context: IRequestContext): Promise<RawResponse> {
    const { method } = context;
    const asked = (method === 'GET' || method === 'HEAD') && locate(context).path === '/-/health';
    return asked ? Promise.resolve(up(method === 'HEAD')) : registry.handle(context);
  },
});
