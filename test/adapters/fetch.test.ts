import { describe, expect, it } from 'vitest';
import { toFetchHandler } from '../../ts/adapters/fetch.js';
import { empty, file } from '../../ts/http/reply.js';
import { ManualClock, manualRuntime, settle } from '../http/manual-clock.js';
import { boxOf, publicGet, toy, WatchedContent } from '../http/toy.js';
import { registryOf } from './registry.js';

const handlerOf = (t = toy(), options = {}) => toFetchHandler(registryOf(t), options);
const call = (path: string, init: RequestInit = {}) => new Request(`https://toys.example${path}`, init);

describe('the fetch adapter', () => {
  it('carries status, headers, bytes and query', async () => {
    const answer = await handlerOf()(call('/-/text/hello?x=%2F'));
    expect([answer.status, answer.headers.get('toy-echo'), await answer.text()]).toEqual([200, 'hello', '"hello"']);
  });

  it('takes scheme and host from the URL', async () => {
    const answer = await handlerOf()(call('/-/moved/x'));
    expect(answer.headers.get('location')).toBe('https://toys.example/x');
  });

  it('streams up and down', async () => {
    const t = toy();
    t.source.boxes.set('open', boxOf('public'));
    const handler = handlerOf(t);
    const put = await handler(call('/new/-/x', { method: 'PUT', headers: { authorization: 'alice' }, body: 'hello' }));
    expect([put.status, t.bodies]).toEqual([201, ['hello']]);
    const get = await handler(call('/open/-/x', { headers: { range: 'bytes=1-3' } }));
    expect([get.status, [...new Uint8Array(await get.arrayBuffer())]]).toEqual([206, [1, 2, 3]]);
  });

  it.each([204, 205, 304])('%i has no body, which Response would refuse', async (status) => {
    const answer = await handlerOf(toy({}, [publicGet('/e', async () => empty(status))]))(call('/e'));
    expect([answer.status, answer.body]).toEqual([status, null]);
  });

  it('HEAD keeps the length', async () => {
    const t = toy();
    t.source.boxes.set('open', boxOf('public'));
    const answer = await handlerOf(t)(call('/open/-/x', { method: 'HEAD' }));
    expect([answer.headers.get('content-length'), answer.body, t.blob.opened]).toEqual(['1000', null, 0]);
  });

  it('errors keep their reason phrase and are told without Connection', async () => {
    const t = toy();
    const body = new Uint8Array(100_001);
    const headers = { 'content-length': String(body.byteLength) };
    const answer = await handlerOf(t)(call('/-/echo', { method: 'POST', body, headers }));
    expect([answer.status, answer.statusText, answer.headers.get('connection')]).toEqual([
      413,
      'body is larger than 100000 bytes',
      null,
    ]);
  });

  it('a reader that cancels, a client that goes, and a body that nobody reads close the source', async () => {
    const clock = new ManualClock();
    const start = async (init: RequestInit = {}) => {
      const content = new WatchedContent(new Uint8Array(1_000_000));
      const t = toy({}, [publicGet('/big', async () => file(content, 'immutable'))]);
      return { content, answer: await handlerOf(t, { runtime: manualRuntime(clock) })(call('/big', init)) };
    };
    const one = await start();
    await one.answer.body?.cancel();
    const client = new AbortController();
    const two = await start({ signal: client.signal });
    client.abort();
    const three = await start();
    clock.advance(60_001);
    await settle();
    expect([one, two, three].map(({ content }) => content.cancelled)).toEqual([1, 1, 1]);
  });
});
