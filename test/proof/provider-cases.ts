import type { IAuthProvider, IAuthToken } from '../../ts/auth/provider.js';
import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';

/** What deadlines of seconds have left out. */
let leapt = 0;

/** Deadlines of seconds end in milliseconds, and so does the patience before them: the time between is left out. */
export const hurried: Runtime = {
  ...systemRuntime,
  clock: {
    ...systemRuntime.clock,
    monotonic: () => systemRuntime.clock.monotonic() + leapt,
    after: (milliseconds, run) => {
      const patience = milliseconds >= 10 && milliseconds <= 50;
      if (!patience && (milliseconds < 4_000 || milliseconds >= 10_000)) return systemRuntime.clock.after(milliseconds, run);
      return systemRuntime.clock.after(1, () => {
        leapt += milliseconds;
        run();
      });
    },
    sleep: (milliseconds, signal) => systemRuntime.clock.sleep(Math.min(milliseconds, 5), signal),
  },
};

const never = (): Promise<never> => new Promise(() => undefined);
const fail = (): never => {
  throw new Error('the directory is down: password=hunter2');
};
// biome-ignore lint/suspicious/noExplicitAny: a provider that lies answers what no type allows
const lie = (value: unknown): any => value;

export type Part = Partial<Pick<IAuthProvider, 'validateToken' | 'authorize'>>;

export const token: IAuthToken = { userId: 'zoe', scopes: ['*:*:*:*'] };

/** Takes the token `good` and lets strangers read, but for what the part in play does in its place. */
export const obedient = (part: () => Part): IAuthProvider => ({
  authenticate: async () => null,
  validateToken(text, protocol) {
    const { validateToken } = part();
    return validateToken ? validateToken(text, protocol) : Promise.resolve(text === 'good' ? token : null);
  },
  createToken: async () => 'good',
  revokeToken: async () => undefined,
  authorize(presented, resource, action, context) {
    const { authorize } = part();
    return authorize ? authorize(presented, resource, action, context) : Promise.resolve(presented !== null || action === 'read');
  },
});

export interface ProviderSays {
  readonly credentials: 'bad' | 'good';
  readonly reads?: true;
  readonly writes?: true;
  readonly admin?: true;
}
const DENIED: ProviderSays = { credentials: 'good' };
const BAD: ProviderSays = { credentials: 'bad' };
/** What an application's provider may do, and what the caller `zoe` is then: one who may everything, one who may nothing, or nobody. */
export const CASES: readonly { readonly title: string; readonly part: Part; readonly who: ProviderSays }[] = [
  { title: 'obeys', part: {}, who: { credentials: 'good', reads: true, writes: true, admin: true } },
  { title: 'denies', part: { authorize: async () => false }, who: DENIED },
  { title: 'throws when asked', part: { authorize: fail }, who: DENIED },
  { title: 'rejects when asked', part: { authorize: async () => fail() }, who: DENIED },
  { title: 'hangs when asked', part: { authorize: never }, who: DENIED },
  { title: "says 'yes' when asked", part: { authorize: async () => lie('yes') }, who: DENIED },
  { title: 'says 1 when asked', part: { authorize: () => lie(1) }, who: DENIED },
  { title: 'says an object when asked', part: { authorize: async () => lie({ allowed: true }) }, who: DENIED },
  { title: 'throws at the token', part: { validateToken: fail }, who: BAD },
  { title: 'hangs at the token', part: { validateToken: never }, who: BAD },
  { title: 'says true of the token', part: { validateToken: async () => lie(true) }, who: BAD },
  { title: 'names no user', part: { validateToken: async () => lie({ scopes: ['*:*:*:*'] }) }, who: BAD },
  { title: 'gives scopes that are no list', part: { validateToken: async () => lie({ userId: 'zoe', scopes: '*' }) }, who: BAD },
  { title: 'gives a token that has expired', part: { validateToken: async () => ({ ...token, expiresAt: 1 }) }, who: BAD },
  {
    title: 'gives a token for another protocol',
    part: { validateToken: async () => ({ ...token, protocol: 'cargo' }) },
    who: BAD,
  },
];
