import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { iterate, streamToBuffer, streamToJson, toNodeReadable, toReadableStream } from '../../ts/lib/streams.js';

function endless() {
  const state = { cancelled: false, pulls: 0 };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        state.pulls++;
        controller.enqueue(new Uint8Array(1000));
      },
      cancel: () => {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, state };
}

describe('toReadableStream', () => {
  it.each([
    ['text', () => 'hé', 'hé'],
    ['bytes', () => new Uint8Array([104, 105]), 'hi'],
    ['an object', () => ({ a: [1] }), '{"a":[1]}'],
    ['a Node stream', () => Readable.from(['h', Buffer.from('i')]), 'hi'],
    ['a Web stream', () => toReadableStream('hi'), 'hi'],
    ['nothing', () => undefined, ''],
    ['null', () => null, 'null'],
  ])('%s', async (_, make, expected) => {
    expect((await streamToBuffer(toReadableStream(make()))).toString()).toBe(expected);
  });

  it('cancelling closes a Node source', async () => {
    const source = Readable.from([Buffer.from('a'), Buffer.from('b')]);
    const reader = toReadableStream(source).getReader();
    await reader.read();
    await reader.cancel();
    expect(source.destroyed).toBe(true);
  });

  it('an iterable’s failure is the stream’s', async () => {
    const failing = (async function* () {
      yield Buffer.from('a');
      throw new Error('disk');
    })();
    await expect(streamToBuffer(toReadableStream(failing))).rejects.toThrow('disk');
  });
});

describe('reading', () => {
  it('stops at the limit and cancels the source', async () => {
    const { stream, state } = endless();
    await expect(streamToBuffer(stream, { limit: 2500 })).rejects.toThrow(RangeError);
    expect(state).toEqual({ cancelled: true, pulls: 3 });
  });

  it('reads JSON, and an absent body as nothing', async () => {
    expect(await streamToJson(toReadableStream({ a: 1 }))).toEqual({ a: 1 });
    expect((await streamToBuffer(undefined)).byteLength).toBe(0);
    await expect(streamToJson(toReadableStream('{'))).rejects.toThrow(SyntaxError);
  });

  it('leaving a loop early cancels', async () => {
    const { stream, state } = endless();
    for await (const _ of iterate(stream)) break;
    expect(state.cancelled).toBe(true);
  });

  it('destroying a Node stream cancels the source', async () => {
    const { stream, state } = endless();
    const readable = toNodeReadable(stream);
    for await (const chunk of readable) {
      expect((chunk as Uint8Array).byteLength).toBeGreaterThan(0);
      break;
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(state.cancelled).toBe(true);
  });
});
