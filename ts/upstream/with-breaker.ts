import type { Clock, Runtime } from '../lib/clock.js';
import { type Ask, UpstreamFailure, type UpstreamRequest } from './ask.js';

export interface BreakerOptions {
  readonly runtime: Runtime;
  /** Failures in a row after which a host is left alone. */
  readonly failures: number;
  /** For so many milliseconds. */
  readonly pauseMs: number;
}

/** What its documents name lies on few hosts; more than so many are not told apart. */
const HOSTS_MAX = 64;

/**
 * Leaves an upstream alone that has failed several times in a row: whoever asks is told so at once. After the pause one request at a time tries, until one
 * is answered. Only failures that may pass count: an upstream that refuses something is there. Requests that their askers gave up count for nothing. Other
 * hosts that the upstream's documents name are counted apart: a document that names a dead one must not silence the upstream.
 */
export function withBreaker(ask: Ask, options: BreakerOptions): Ask {
  const circuits = new Map<string, Circuit>();
  return (request) => {
    const host = hostOf(request);
    let circuit = circuits.get(host);
    if (!circuit) {
      const [oldest] = circuits.size < HOSTS_MAX ? [] : circuits.keys();
      if (oldest !== undefined) circuits.delete(oldest);
      circuit = new Circuit(options);
      circuits.set(host, circuit);
    }
    return circuit.run(ask, request);
  };
}

const hostOf = ({ target }: UpstreamRequest): string => /^https?:\/\/[^/?#]*/i.exec(target)?.[0].toLowerCase() ?? '';

class Circuit {
  private readonly clock: Clock;
  private readonly most: number;
  private readonly pauseMs: number;
  private failures = 0;
  private openUntil = 0;
  private trying = false;

  constructor({ runtime, failures, pauseMs }: BreakerOptions) {
    this.clock = runtime.clock;
    this.most = failures;
    this.pauseMs = pauseMs;
  }

  async run(ask: Ask, request: UpstreamRequest): ReturnType<Ask> {
    const trial = this.failures >= this.most;
    if (trial) this.admit();
    try {
      const answer = await ask(request);
      this.failures = 0;
      return answer;
    } catch (error) {
      this.judge(error, request);
      throw error;
    } finally {
      if (trial) this.trying = false;
    }
  }

  private admit(): void {
    const left = this.openUntil - this.clock.monotonic();
    if (left > 0 || this.trying)
      throw new UpstreamFailure(
        'upstream_failed',
        'the upstream has failed several times in a row and is left alone for a while',
        {
          passing: true,
          retryAfter: Math.max(left, this.pauseMs),
        },
      );
    this.trying = true;
  }

  private judge(error: unknown, { signal }: UpstreamRequest): void {
    if (signal?.aborted || !(error instanceof UpstreamFailure)) return;
    this.failures = error.passing ? this.failures + 1 : 0;
    if (this.failures >= this.most) this.openUntil = this.clock.monotonic() + this.pauseMs;
  }
}
