import { RegistryError } from '../errors/registry-error.js';
import type { Clock } from '../lib/clock.js';
import { type Deadline, deadline } from '../lib/deadlines.js';
import { unheard } from '../lib/notify.js';
import { StorageError } from '../storage/storage-error.js';
import { isCidr } from './cidr.js';
import type { IAuthCredentials, IAuthProvider, IAuthToken, IUserProfile } from './provider.js';
import { ORDINARY_SCOPES } from './scope.js';

/** What went wrong with a provider's answer, for the operator; holds no credentials. */
export interface ProviderProblem {
  readonly call: string;
  readonly problem: 'threw' | 'hung' | 'garbage';
  readonly error?: unknown;
}

export interface GuardOptions {
  readonly clock: Clock;
  /** Milliseconds that one call may take. Default 5,000. */
  readonly deadline?: number;
  readonly onProblem?: (problem: ProviderProblem) => void;
}

/** What is known is answered by then. Who takes longer is waited for with a look at whether the client is still there. */
const PATIENCE_MS = 20;

/** Whoever waits for an answer. The signal is asked for only when the answer takes its time: making one is dear. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

/** "Not now" is no answer about the caller: it goes out as a 503 or 429, which opens nothing either. */
const notNow = (error: unknown): boolean =>
  error instanceof StorageError ||
  (error instanceof RegistryError && (error.kind === 'unavailable' || error.kind === 'rate_limited'));

const isText = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= longest;
const texts = (value: unknown, most: number): value is readonly string[] =>
  Array.isArray(value) && value.length <= most && value.every((item) => typeof item === 'string');
const optional = (value: unknown, right: (value: unknown) => boolean): boolean => value === undefined || right(value);

function isToken(value: unknown): value is IAuthToken {
  if (typeof value !== 'object' || value === null) return false;
  const given = value as Readonly<Record<keyof IAuthToken, unknown>>;
  const { userId, scopes, readonly, tokenId, expiresAt, protocol, cidr, ceiling, lists, secondFactor, unattended } = given;
  return (
    isText(userId, 256) &&
    texts(scopes, 1_000) &&
    optional(readonly, isBoolean) &&
    optional(lists, isBoolean) &&
    optional(tokenId, (id) => isText(id, 256)) &&
    optional(expiresAt, (time) => typeof time === 'number' && !Number.isNaN(time)) &&
    optional(protocol, (name) => isText(name, 60)) &&
    optional(cidr, (ranges) => texts(ranges, 100) && ranges.every(isCidr)) &&
    optional(ceiling, (most) => texts(most, 1_000)) &&
    optional(secondFactor, (when) => when === 'logins' || when === 'changes') &&
    optional(unattended, (kind) => kind === 'token' || kind === 'workload')
  );
}

/** A provider whose every failure is a no: what it throws, how long it takes and what it answers are not to be relied on. */
export class GuardedProvider {
  readonly provider: IAuthProvider;
  private readonly clock: Clock;
  private readonly deadline: number;
  private readonly onProblem: (problem: ProviderProblem) => void;

  constructor(provider: IAuthProvider, { clock, deadline = 5_000, onProblem = () => undefined }: GuardOptions) {
    this.provider = provider;
    this.clock = clock;
    this.deadline = deadline;
    this.onProblem = onProblem;
  }

  async authenticate(credentials: IAuthCredentials, waiting?: Waiting): Promise<string | null> {
    return this.ask('authenticate', () => this.provider.authenticate(credentials), isUserId, null, waiting);
  }

  /** Undefined: not valid. Expired tokens and those of another protocol are not. */
  async validateToken(token: string, protocol: string | undefined, waiting?: Waiting): Promise<IAuthToken | null> {
    const found = await this.ask('validateToken', () => this.provider.validateToken(token, protocol), isToken, null, waiting);
    if (!found || (found.expiresAt !== undefined && found.expiresAt <= this.clock.now())) return null;
    return protocol !== undefined && found.protocol !== undefined && found.protocol !== protocol ? null : found;
  }

  async authorize(token: IAuthToken | null, resource: string, action: string, repository?: string): Promise<boolean> {
    const context = repository === undefined ? undefined : { repository };
    try {
      const run = () => this.provider.authorize(token, resource, action, context);
      return (await this.ask('authorize', run, isBoolean, false)) === true;
    } catch (error) {
      this.onProblem({ call: 'authorize', problem: 'threw', error });
      return false;
    }
  }

  /** Never asks about a single name; any doubt is false. */
  authorizeEvery(token: IAuthToken | null, resource: string, action: string, repository: string): boolean {
    try {
      const answer: unknown = this.provider.authorizeEvery?.(token, resource, action, { repository });
      unheard(answer);
      return answer === true;
    } catch (error) {
      this.onProblem({ call: 'authorizeEvery', problem: 'threw', error });
      return false;
    }
  }

  /** Any doubt is false. */
  async confirm(token: IAuthToken, code: string): Promise<boolean> {
    const { provider } = this;
    if (!provider.confirm) return false;
    return (await this.ask('confirm', async () => provider.confirm?.(token, code), isBoolean, false)) === true;
  }

  async defaultScopes(userId: string, waiting?: Waiting): Promise<readonly string[] | null> {
    const { provider } = this;
    if (!provider.defaultScopes) return ORDINARY_SCOPES;
    return this.ask('defaultScopes', async () => provider.defaultScopes?.(userId), isScopes, null, waiting);
  }

  async profile(userId: string): Promise<IUserProfile | null> {
    const { provider } = this;
    if (!provider.profile) return { name: userId };
    return this.ask('profile', async () => provider.profile?.(userId), isProfile, null);
  }

  async findUser(name: string): Promise<string | null> {
    const { provider } = this;
    if (!provider.findUser) return name;
    return this.ask('findUser', async () => provider.findUser?.(name), isUserId, null);
  }

  /** What is answered by the deadline, and is what it should be; else `no`. Also when the client has gone and nobody wants it any more. */
  private ask<T>(
    call: string,
    run: () => Promise<unknown>,
    right: (value: unknown) => value is T,
    no: T | null,
    waiting?: Waiting,
  ): Promise<T | null> {
    // One promise for all of it: this is asked with every request.
    return new Promise((resolve, reject) => {
      let over = false;
      const patience = new Patience(this.clock, this.deadline, waiting, (why) => {
        over = true;
        if (why === 'late') this.onProblem({ call, problem: 'hung' });
        resolve(no);
      });
      const end = (outcome: () => T | null): void => {
        if (over) return;
        over = true;
        patience.end();
        try {
          resolve(outcome());
        } catch (error) {
          reject(error);
        }
      };
      const threw = (error: unknown): void => end(() => this.failed(call, error, no));
      try {
        Promise.resolve(run()).then((answer) => end(() => this.fitting(call, answer, right, no)), threw);
      } catch (error) {
        threw(error);
      }
    });
  }

  private failed<T>(call: string, error: unknown, no: T): T {
    if (notNow(error)) throw error;
    this.onProblem({ call, problem: 'threw', error });
    return no;
  }

  private fitting<T>(call: string, answer: unknown, right: (value: unknown) => value is T, no: T | null): T | null {
    // `undefined` for `null` is a slip, not garbage.
    if (answer === null || answer === undefined) return no;
    try {
      if (right(answer)) return answer;
    } catch {
      // A getter that throws.
    }
    this.onProblem({ call, problem: 'garbage' });
    return no;
  }
}

/** Runs out at the deadline, or when the client goes after the first moment. */
class Patience {
  private readonly runOut: (why: 'late' | 'gone') => void;
  private timer: Deadline;
  private signal: AbortSignal | undefined;
  private readonly onAbort = (): void => this.over('gone');

  constructor(clock: Clock, milliseconds: number, waiting: Waiting | undefined, runOut: (why: 'late' | 'gone') => void) {
    this.runOut = runOut;
    const first = Math.min(PATIENCE_MS, milliseconds);
    this.timer = deadline(clock, first, () => {
      this.timer = deadline(clock, milliseconds - first, () => this.over('late'));
      this.signal = waiting?.signal;
      if (this.signal?.aborted) this.onAbort();
      else this.signal?.addEventListener('abort', this.onAbort, { once: true });
    });
  }

  end(): void {
    this.timer.cancel();
    this.signal?.removeEventListener('abort', this.onAbort);
  }

  private over(why: 'late' | 'gone'): void {
    this.end();
    this.runOut(why);
  }
}

const isUserId = (value: unknown): value is string => isText(value, 256);
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isScopes = (value: unknown): value is readonly string[] => texts(value, 1_000);

function isProfile(value: unknown): value is IUserProfile {
  if (typeof value !== 'object' || value === null) return false;
  const { name, email } = value as Readonly<Record<keyof IUserProfile, unknown>>;
  return isText(name, 256) && optional(email, (text) => isText(text, 254));
}
