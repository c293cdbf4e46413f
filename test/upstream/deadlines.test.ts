import { describe, expect, it } from 'vitest';
import { ManualClock, manualRuntime, settle } from '../http/manual-clock.js';
import { type Answering, answer, asking, failureOf, mockUpstream, redirect, textOf, wanted } from './upstream-rig.js';

const T = 1_000;
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n';

/** An upstream that is asked with a clock that stands still. `asked` resolves with each request that it has got. */
async function timed(answering: Answering) {
  const clock = new ManualClock();
  let arrived: () => void = () => undefined;
  const next = () => new Promise<void>((resolve) => (arrived = resolve));
  const own = await mockUpstream((heard, socket) => {
    arrived();
    return answering(heard, socket);
  });
  const asked = asking(own, { runtime: manualRuntime(clock), timeoutMs: T });
  return { own, clock, next, ask: asked.ask, retire: () => asked.retire(), close: () => asked.close() };
}

/** Sees to it that what is sent has arrived before somebody looks at the clock. */
const until = async (there: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 10_000 && !there(); turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(there()).toBe(true);
};

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

describe('waiting for an upstream', () => {
  it('X12: ends when no answer begins in time, redirects included, and lets go of the connection', async () => {
    const { ask, clock, next, own } = await timed(({ path }) => (path === '/moved' ? redirect('/slow') : undefined));
    for (const target of ['slow', 'moved']) {
      let came = next();
      const failing = failureOf(ask(wanted(target)));
      await came;
      if (target === 'moved') {
        came = next();
        clock.advance(T / 2);
        await came;
        clock.advance(T / 2);
      } else clock.advance(T);
      const failure = await failing;
      expect([failure.kind, failure.passing]).toEqual(['upstream_timeout', true]);
      if (target === 'slow') await own.untilOpen(0);
    }
  });

  it('ends when the body stands still while somebody wants more of it', async () => {
    const { ask, clock, own } = await timed(() => `${HEAD}abc`);
    const given = await ask(wanted('x', { as: 'artifact' }));
    if (given.kind !== 'content') throw new Error(given.kind);
    const reader = given.body.getReader();
    expect((await reader.read()).value?.byteLength).toBe(3);
    const reading = reader.read();
    await until(() => clock.pending === 1);
    clock.advance(T - 1);
    clock.advance(1);
    await expect(reading).rejects.toMatchObject({ kind: 'upstream_timeout', passing: true });
    await own.untilOpen(0);
    expect(clock.pending).toBe(0);
  });

  it('does not count the time in which nobody wants more: a slow reader is no slow upstream', async () => {
    let more: () => void = () => undefined;
    const { ask, clock } = await timed((_, socket) => {
      more = () => socket.write('y');
      return `${HEAD}x`;
    });
    const given = await ask(wanted('x', { as: 'artifact' }));
    if (given.kind !== 'content') throw new Error(given.kind);
    const reader = given.body.getReader();
    for (let turn = 0; turn < 50; turn++) {
      expect((await reader.read()).value?.byteLength).toBe(1);
      await settle();
      clock.advance(100 * T);
      more();
    }
    await reader.cancel();
  });

  it('does not last for ever when bytes come one now and then', async () => {
    let more: () => void = () => undefined;
    const { ask, clock, own } = await timed((_, socket) => {
      more = () => socket.write('z');
      return HEAD;
    });
    const given = await ask(wanted('x', { as: 'artifact' }));
    if (given.kind !== 'content') throw new Error(given.kind);
    const reader = given.body.getReader();
    let turns = 0;
    let failure: unknown;
    while (failure === undefined && turns < 100) {
      turns++;
      const reading = reader.read().then(
        () => undefined,
        (error: unknown) => error,
      );
      await until(() => clock.pending === 1);
      clock.advance(0.9 * T);
      more();
      failure = await reading;
    }
    expect(failure).toMatchObject({ kind: 'upstream_timeout' });
    expect(turns).toBe(5);
    await own.untilOpen(0);
  });

  it('bears pauses that are short, in a body that goes on', async () => {
    let more: () => void = () => undefined;
    const { ask, clock } = await timed((_, socket) => {
      more = () => socket.write(Buffer.alloc(16_384));
      return 'HTTP/1.1 200 OK\r\nContent-Length: 819200\r\n\r\n';
    });
    const given = await ask(wanted('x', { as: 'artifact' }));
    if (given.kind !== 'content') throw new Error(given.kind);
    const got: number[] = [];
    const reading = given.body.pipeTo(new WritableStream({ write: ({ byteLength }) => void got.push(byteLength) }));
    for (let turn = 0; turn < 50; turn++) {
      await until(() => sum(got) === turn * 16_384 && clock.pending === 1);
      clock.advance(0.9 * T);
      more();
    }
    await reading;
    expect(sum(got)).toBe(819_200);
    expect(clock.pending).toBe(0);
  });

  it('leaves no timer and no listener behind an answer', async () => {
    const { ask, clock, own } = await timed(({ path }) => (path === '/gone' ? answer('no', {}, '404 No') : answer('yes')));
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      listeners++;
      add(...given);
    };
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners--;
      remove(...given);
    };
    expect(await textOf(ask(wanted('x', { signal })))).toBe('yes');
    expect(await ask(wanted('gone', { signal }))).toEqual({ kind: 'absent' });
    await failureOf(ask(wanted('../x', { signal })));
    expect(listeners).toBe(0);
    await own.stop();
    await until(() => clock.pending === 0);
  });
});

describe('giving up', () => {
  const reason = new Error('the client has gone');

  it('is possible before, and nothing is asked then', async () => {
    const { ask, own } = await timed(() => answer(''));
    await expect(ask(wanted('x', { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
    expect(own.connections()).toBe(0);
  });

  it('is possible while the answer is waited for', async () => {
    const { ask, own, next } = await timed(() => undefined);
    const controller = new AbortController();
    const came = next();
    const failing = expect(ask(wanted('x', { signal: controller.signal }))).rejects.toBe(reason);
    await came;
    controller.abort(reason);
    await failing;
    await own.untilOpen(0);
  });

  it.each(['reads', 'stands still'])('is possible while the body %s', async (how) => {
    const { ask, own, clock } = await timed(() => `${HEAD}x`);
    const controller = new AbortController();
    const given = await ask(wanted('x', { as: 'artifact', signal: controller.signal }));
    if (given.kind !== 'content') throw new Error(given.kind);
    const reader = given.body.getReader();
    await reader.read();
    const reading = how === 'reads' ? reader.read() : undefined;
    controller.abort(reason);
    await expect(reading ?? reader.read()).rejects.toBe(reason);
    await own.untilOpen(0);
    await until(() => clock.pending === 0);
  });

  it('an upstream that is described anew lets what is under way end, and keeps no connection', async () => {
    let end: () => void = () => undefined;
    const { ask, retire, own } = await timed((_, socket) => {
      end = () => socket.write('cde');
      return 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab';
    });
    const given = await ask(wanted('x', { as: 'artifact' }));
    retire();
    end();
    expect(await textOf(given)).toBe('abcde');
    await own.untilOpen(0);
    const later = ask(wanted('x', { as: 'artifact' }));
    await own.untilOpen(1);
    const more = await later;
    end();
    expect(await textOf(more)).toBe('abcde');
    await own.untilOpen(0);
  });

  it('all of it at once cuts what is under way, and nothing is asked any more', async () => {
    const { ask, close, own, next } = await timed(({ path }) => (path === '/body' ? `${HEAD}x` : undefined));
    const given = await ask(wanted('body', { as: 'artifact' }));
    if (given.kind !== 'content') throw new Error(given.kind);
    const came = next();
    const failing = failureOf(ask(wanted('head')));
    await came;
    close();
    expect((await failing).message).toBe('the upstream is not asked any more');
    await expect(new Response(given.body).text()).rejects.toThrow('the upstream is not asked any more');
    expect((await failureOf(ask(wanted('head')))).message).toBe('the upstream is not asked any more');
    await own.untilOpen(0);
  });
});
