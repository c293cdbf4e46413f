import type { RawResponse } from '../../ts/http/context.js';
import type { SmartRegistry } from '../../ts/index.js';
import { House } from '../../ts/server/house.js';

/** Asks an open registry as its stand-alone server would, without a socket. A body is JSON. */
export function houseOver(registry: SmartRegistry, token: string) {
  const opening = House.open({
    registry: registry.parts,
    rest: registry,
    rootTaken: false,
    serving: () => true,
    metrics: async () => '',
  });
  return async (method: string, rawUrl: string, body?: string): Promise<RawResponse> => {
    const [path = '', query] = rawUrl.split('?');
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    const asked = { method, path, rawUrl, headers, query: Object.fromEntries(new URLSearchParams(query)) };
    return (await opening).handle({ ...asked, ...(body === undefined ? {} : { body }) });
  };
}
