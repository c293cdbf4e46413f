import { describe, expect, it } from 'vitest';
import type { RawResponse } from '../../ts/http/context.js';
import { guarded, toIResponse } from '../../ts/http/hosted-response.js';
import { streamToBuffer } from '../../ts/lib/streams.js';
import { ManualClock, settle } from './manual-clock.js';
import { WatchedContent } from './toy.js';

const raw = (body: RawResponse['body']): RawResponse => ({
  status: 200,
  statusText: undefined,
  headers: {},
  body,
  about: { repository: undefined, route: undefined, user: undefined },
});

async function opened(size = 200_000) {
  const content = new WatchedContent(new Uint8Array(size));
  return { content, stream: await content.open() };
}

describe('answers for hosts that know Web streams only', () => {
  it('have a stream whatever the body is, or none', async () => {
    const clock = new ManualClock();
    expect('body' in toIResponse(raw(undefined), clock)).toBe(false);
    const bytes = toIResponse(raw(new Uint8Array([1, 2])), clock);
    expect(bytes.body).toBe(bytes.body);
    expect([...(await streamToBuffer(bytes.body))]).toEqual([1, 2]);
    const { stream } = await opened();
    expect((await streamToBuffer(toIResponse(raw(stream), clock).body)).byteLength).toBe(200_000);
    expect(clock.pending).toBe(0);
  });

  it('a body that nobody reads for a minute is cancelled, also between two chunks', async () => {
    for (const reads of [0, 1]) {
      const clock = new ManualClock();
      const { content, stream } = await opened();
      const reader = guarded(stream, clock).getReader();
      for (let n = 0; n < reads; n++) {
        clock.advance(50_000);
        await reader.read();
      }
      clock.advance(59_000);
      await settle();
      expect(content.cancelled).toBe(0);
      clock.advance(61_000);
      await settle();
      expect(content.cancelled).toBe(1);
      await expect(reader.read()).rejects.toThrow('nobody reads');
    }
  });

  it('a reader that cancels, and a client that goes, close the source', async () => {
    const clock = new ManualClock();
    const one = await opened();
    await guarded(one.stream, clock).cancel();
    const client = new AbortController();
    const two = await opened();
    const reader = guarded(two.stream, clock, client.signal).getReader();
    client.abort(new Error('gone'));
    await settle();
    expect([one.content.cancelled, two.content.cancelled, clock.pending]).toEqual([1, 1, 0]);
    await expect(reader.read()).rejects.toThrow('gone');
  });
});
