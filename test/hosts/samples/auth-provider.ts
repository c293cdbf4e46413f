import { createServer } from 'node:http';
import type { IAuthCredentials, IAuthProvider, IAuthToken } from 'entrepot';
import { harden, toNodeHandler } from 'entrepot/adapters/node';
import { listen } from './listen.js';
import { openRegistry } from './open-registry.js';

/** Users of a directory that the application has already. */
class CompanyDirectory implements IAuthProvider {
  private readonly tokens = new Map<string, IAuthToken>([
    ['token-of-alice', { userId: 'alice', scopes: ['npm:*:*:*'] }],
    ['token-of-bob', { userId: 'bob', scopes: ['npm:package:@team/*:read'] }],
  ]);

  async init(): Promise<void> {}

  async authenticate({ username, password }: IAuthCredentials): Promise<string | null> {
    return username === 'alice' && password === 'correct horse' ? 'alice' : null;
  }

  async validateToken(token: string): Promise<IAuthToken | null> {
    return this.tokens.get(token) ?? null;
  }

  async createToken(userId: string, protocol: string): Promise<string> {
    const token = `${protocol}-${crypto.randomUUID()}`;
    this.tokens.set(token, { userId, scopes: [`${protocol}:*:*:*`] });
    return token;
  }

  async revokeToken(token: string): Promise<void> {
    this.tokens.delete(token);
  }

  /** A null token is the anonymous caller. */
  async authorize(token: IAuthToken | null, _resource: string, action: string): Promise<boolean> {
    if (action === 'read') return true;
    return token?.userId === 'alice';
  }
}

const never = (): Promise<never> => new Promise(() => undefined);
const thrown = async (): Promise<never> => {
  throw new Error('the directory is down: password=hunter2');
};
const lie = (value: unknown) => (): Promise<never> => Promise.resolve(value) as Promise<never>;
const alice = new CompanyDirectory();
const wrong: Readonly<Record<string, Partial<IAuthProvider>>> = {
  denies: { validateToken: async () => null },
  'denies every action': { authorize: async () => false },
  throws: { validateToken: thrown },
  'throws at once': {
    validateToken() {
      throw new Error('not even a promise');
    },
  },
  'throws in authorize': { authorize: thrown },
  'rejects with nothing': { authorize: () => Promise.reject(undefined) },
  hangs: { validateToken: never },
  'hangs in authorize': { authorize: never },
  'lies: yes': { authorize: lie('yes') },
  'lies: 1': { authorize: lie(1) },
  'lies: an object': { authorize: lie({ allowed: true }) },
  'lies: a token without scopes': { validateToken: lie({ userId: 'alice' }) },
  'lies: a user who is a number': { validateToken: lie({ userId: 1, scopes: ['*:*:*:*'] }) },
  'lies: true': { validateToken: lie(true) },
  'lies: no promise': { authorize: (() => 'true') as never },
  'lies: expired': { validateToken: lie({ userId: 'alice', scopes: ['*:*:*:*'], expiresAt: 1 }) },
  'lies: of another protocol': { validateToken: lie({ userId: 'alice', scopes: ['*:*:*:*'], protocol: 'oci' }) },
};

const mode = process.env['MODE'] ?? '';
const authProvider = Object.assign(Object.create(alice) as IAuthProvider, wrong[mode] ?? {});
const registry = await openRegistry({
  authProvider,
  onFault: (error, where) => console.log(`fault: ${where}: ${String(error)}`),
});
if (mode === 'list') console.log(JSON.stringify(Object.keys(wrong)));
listen(harden(createServer(toNodeHandler(registry))), registry);
