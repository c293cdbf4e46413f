import { describe, expect, it } from 'vitest';
import { type Ask, type UpstreamAnswer, UpstreamFailure, type UpstreamRequest } from '../../ts/upstream/ask.js';
import { withBreaker } from '../../ts/upstream/with-breaker.js';
import { ManualClock, manualRuntime } from '../http/manual-clock.js';
import { wanted } from './upstream-rig.js';

const down = () => new UpstreamFailure('upstream_failed', 'down', { passing: true });
const refused = () => new UpstreamFailure('upstream_failed', 'the upstream does not let the registry in');

interface Waiting {
  readonly request: UpstreamRequest;
  readonly answer: (answer: UpstreamAnswer) => void;
  readonly fail: (error: unknown) => void;
}

/** A breaker at three failures and 1,000 ms around an upstream whose answers are given by hand. */
function stage() {
  const clock = new ManualClock();
  const waiting: Waiting[] = [];
  const inner: Ask = (request) => new Promise((answer, fail) => waiting.push({ request, answer, fail }));
  const ask = withBreaker(inner, { runtime: manualRuntime(clock), failures: 3, pauseMs: 1_000 });
  const outcome = (request: UpstreamRequest) =>
    ask(request).then(
      ({ kind }) => kind,
      (error: Error) => error.message,
    );
  /** Asks, and ends it so. */
  const one = async (how: UpstreamAnswer | Error, target = 'x'): Promise<string> => {
    const asked = outcome(wanted(target));
    const mine = waiting.pop();
    if (how instanceof Error) mine?.fail(how);
    else mine?.answer(how);
    return asked;
  };
  return { clock, waiting, ask, outcome, one };
}

const ALONE = 'the upstream has failed several times in a row and is left alone for a while';

describe('an upstream that fails', () => {
  it('is left alone after so many failures in a row, and whoever asks is told so at once', async () => {
    const { one, outcome, ask, waiting } = stage();
    for (let turn = 0; turn < 3; turn++) expect(await one(down())).toBe('down');
    for (let turn = 0; turn < 5; turn++) expect(await outcome(wanted('x'))).toBe(ALONE);
    await expect(ask(wanted('x'))).rejects.toMatchObject({ kind: 'upstream_failed', passing: true, retryAfter: 1_000 });
    expect(waiting).toEqual([]);
  });

  it.each([{ kind: 'absent' }, { kind: 'unchanged' }, refused()] as const)(
    'is there when it says so or refuses: %s',
    async (how) => {
      const { one, outcome, waiting } = stage();
      for (let turn = 0; turn < 5; turn++) {
        await one(down());
        await one(down());
        await one(how);
      }
      void outcome(wanted('x'));
      expect(waiting.length).toBe(1);
    },
  );

  it('is tried by one at a time after the pause, and by all once it has answered', async () => {
    const { one, outcome, clock, waiting } = stage();
    for (let turn = 0; turn < 3; turn++) await one(down());
    clock.advance(999);
    expect(await outcome(wanted('x'))).toBe(ALONE);
    clock.advance(1);
    const trial = outcome(wanted('trial'));
    expect(await outcome(wanted('x'))).toBe(ALONE);
    expect(waiting.map(({ request }) => request.target)).toEqual(['trial']);
    waiting.pop()?.answer({ kind: 'absent' });
    expect(await trial).toBe('absent');
    const both = [outcome(wanted('a')), outcome(wanted('b'))];
    expect(waiting.length).toBe(2);
    for (const { answer } of waiting) answer({ kind: 'absent' });
    expect(await Promise.all(both)).toEqual(['absent', 'absent']);
  });

  it('is left alone again when it fails the one that tries', async () => {
    const { one, outcome, clock } = stage();
    for (let turn = 0; turn < 3; turn++) await one(down());
    for (let turn = 0; turn < 3; turn++) {
      clock.advance(1_000);
      expect(await one(down())).toBe('down');
      expect(await outcome(wanted('x'))).toBe(ALONE);
    }
  });

  it('is tried by the next one when the one that tried gave up', async () => {
    const { one, outcome, clock, waiting } = stage();
    for (let turn = 0; turn < 3; turn++) await one(down());
    clock.advance(1_000);
    const controller = new AbortController();
    const trial = outcome(wanted('x', { signal: controller.signal }));
    controller.abort(new Error('gone'));
    waiting.pop()?.fail(controller.signal.reason);
    expect(await trial).toBe('gone');
    expect(await one({ kind: 'absent' })).toBe('absent');
  });

  it('does not fail by those who give up, nor by faults of our own', async () => {
    const { one, outcome, waiting } = stage();
    for (let turn = 0; turn < 5; turn++) {
      const gone = outcome(wanted('x', { signal: AbortSignal.abort(new Error('gone')) }));
      waiting.pop()?.fail(down());
      await gone;
      await one(new TypeError('fault'));
    }
    void outcome(wanted('x'));
    expect(waiting.length).toBe(1);
  });

  it('is another one than the hosts that its documents name, of which each is counted for itself', async () => {
    const { one, outcome, waiting } = stage();
    for (let turn = 0; turn < 3; turn++) await one(down(), 'https://dead.example/a.tgz');
    expect(await outcome(wanted('https://DEAD.example/b.tgz'))).toBe(ALONE);
    void outcome(wanted('x'));
    void outcome(wanted('https://dead.example:8443/a.tgz'));
    expect(waiting.length).toBe(2);
    for (let at = 0; at < 100; at++) await one(down(), `https://h${at}.example/`);
    // forgotten by now: no document can make the list long
    void outcome(wanted('https://dead.example/a.tgz'));
    expect(waiting.length).toBe(3);
  });
});
