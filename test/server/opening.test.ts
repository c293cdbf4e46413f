import { expect, it } from 'vitest';
import { text } from '../../ts/lib/bytes.js';
import { opening } from '../../ts/server/opening.js';

const ELSEWHERE = {
  status: 418,
  statusText: undefined,
  headers: {},
  body: undefined,
  about: { repository: 'npm', route: 'x', user: undefined },
};

function ask(method: string, path: string, rootTaken = false) {
  const registry = { handle: async () => ELSEWHERE, handles: (asked: string) => rootTaken && asked === '/' };
  return opening(registry).handle({ method, path, headers: {}, query: {} });
}

it('a server that opens is up and not ready, whatever its registry can answer already', async () => {
  const up = await ask('GET', '/-/health');
  expect([up.status, text(up.body as Uint8Array)]).toEqual([200, '{"status":"up"}']);
  expect(await ask('HEAD', '/-/health')).toMatchObject({ status: 200, body: undefined });
  for (const path of ['/-/ready', '/-/metrics', '/-/api/v1/repositories', '/-/ui/', '/']) {
    const { status, body } = await ask('GET', path);
    expect([path, status, text(body as Uint8Array)]).toEqual([path, 503, expect.stringContaining('the server is starting')]);
  }
  expect(await ask('HEAD', '/-/ready')).toMatchObject({ status: 503, body: undefined });
});

it('and leaves to the registry what is not its own', async () => {
  for (const path of ['/npm/-/ping', '/-/ping', '/v2/', '/x']) expect((await ask('GET', path)).status).toBe(418);
  expect((await ask('GET', '/', true)).status).toBe(418);
});
