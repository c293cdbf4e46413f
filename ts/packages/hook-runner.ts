import { forbidden } from '../errors/registry-error.js';
import type { Runtime } from '../lib/clock.js';
import type { IStorageHookContext, IStorageHooks } from './hooks.js';

type Before = 'beforePut' | 'beforeDelete' | 'beforeGet';
type After = 'afterPut' | 'afterDelete' | 'afterGet';

/** Hears of internal faults that no client is told about. Must not throw. */
export type FaultListener = (fault: { readonly where: string; readonly error: unknown }) => void;

export interface HookRunnerOptions {
  readonly hooks?: IStorageHooks | undefined;
  readonly runtime: Runtime;
  readonly onFault: FaultListener;
  /** Milliseconds that one hook may take. Default 10,000. */
  readonly deadline?: number;
}

const REFUSED = 'refused by policy';
const REASON_MAX = 500;

/** A host's hooks, called so that none of them can hang, crash or confuse a request. */
export class HookRunner {
  private readonly hooks: IStorageHooks;
  private readonly runtime: Runtime;
  private readonly onFault: FaultListener;
  private readonly deadline: number;
  private readonly running = new Set<Promise<void>>();

  constructor({ hooks = {}, runtime, onFault, deadline = 10_000 }: HookRunnerOptions) {
    this.hooks = hooks;
    this.runtime = runtime;
    this.onFault = onFault;
    this.deadline = deadline;
  }

  /** True where somebody listens: callers need not make a context otherwise. */
  wants(name: Before | After): boolean {
    return typeof this.hooks[name] === 'function';
  }

  /** Throws `RegistryError('forbidden')` unless the hook (where there is one) says `{ allowed: true }` in time. */
  async before(name: Before, context: IStorageHookContext, signal?: AbortSignal): Promise<void> {
    if (!this.wants(name)) return;
    let verdict: unknown;
    try {
      verdict = await this.limited(async () => this.hooks[name]?.(context), signal);
    } catch (error) {
      signal?.throwIfAborted();
      this.onFault({ where: `storage hook ${name}`, error });
      throw forbidden(REFUSED);
    }
    const { allowed, reason } = readVerdict(verdict);
    if (allowed === true) return;
    if (allowed !== false)
      this.onFault({ where: `storage hook ${name}`, error: new TypeError('the hook did not answer { allowed: boolean }') });
    throw forbidden(shown(reason) || REFUSED);
  }

  /** Calls the hook behind the answer: returns at once, and whatever the hook does is no concern of the request's. */
  after(name: After, context: IStorageHookContext): void {
    if (!this.wants(name)) return;
    const run = this.limited(async () => this.hooks[name]?.(context))
      .then(() => {})
      .catch((error: unknown) => this.onFault({ where: `storage hook ${name}`, error }))
      .finally(() => this.running.delete(run));
    this.running.add(run);
  }

  /** Resolves when no hook runs any more; each has its deadline. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private limited<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => finish(() => reject(signal?.reason));
      const timer = this.runtime.clock.after(this.deadline, () =>
        finish(() => reject(new Error(`no answer within ${this.deadline} ms`))),
      );
      const finish = (settle: () => void) => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      call().then(
        (value) => finish(() => resolve(value)),
        (error: unknown) => finish(() => reject(error)),
      );
    });
  }
}

/** The answer comes from code that is not ours: a getter may throw, a proxy may lie twice. */
function readVerdict(verdict: unknown): { readonly allowed: unknown; readonly reason: unknown } {
  try {
    const { allowed, reason } = verdict as { allowed?: unknown; reason?: unknown };
    return { allowed, reason };
  } catch {
    return { allowed: undefined, reason: undefined };
  }
}

/** A host's reason as it may stand in a status line: one line, not endless. */
const shown = (reason: unknown): string =>
  typeof reason === 'string'
    ? reason
        .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
        .trim()
        .slice(0, REASON_MAX)
    : '';
