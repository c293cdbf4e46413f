import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';
import { at, documentOf } from './documents.js';
import { type House, openHouse } from './house.js';
import type { Standing, Who } from './oracle.js';

export interface Character {
  readonly name: string;
  readonly who: Who;
  readonly headers: Readonly<Record<string, string>>;
}

/** A registry, everybody who may come, and packages in every state. */
export interface Cast {
  readonly house: House;
  readonly characters: readonly Character[];
  /** Six letters behind the scope, so that answers about two packages have the same length. */
  readonly packages: Readonly<Record<Standing, string>>;
  /** Makes one more package. */
  fresh(standing: Standing): Promise<string>;
  revision(name: string): Promise<string>;
  close(): Promise<void>;
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

export async function openCast(anonymousRead: boolean): Promise<Cast> {
  let skew = 0;
  const runtime: Runtime = { ...systemRuntime, clock: { ...systemRuntime.clock, now: () => Date.now() + skew } };
  const house = await openHouse({ anonymousRead, runtime });
  const { directory } = house.registry.parts.auth;
  if (!directory) throw new Error('no directory');
  const [owner, former, chief, stranger] = [
    await house.user('owner'),
    await house.user('former'),
    await house.user('chief', true),
    await house.user('stranger'),
  ];
  const made = async (id: string, asked: object): Promise<string> => (await directory.createToken(id, asked)).token;
  const expired = await made(owner.id, { ttl: 60 });
  const gone = await directory.createToken(owner.id);
  await directory.revokeToken(owner.id, gone.info.id);
  skew = 61_000;
  const reader = await made(stranger.id, { scopes: ['npm:package:*:read'] });
  const elsewhere = await made(owner.id, { scopes: ['npm:package:@acme/elsewhere:write', 'npm:package:@acme/elsewhere:read'] });
  const creator = await made(stranger.id, { scopes: ['npm:package:@acme/*:create'] });
  const cargo = await made(owner.id, { protocol: 'cargo' });
  const limited = await made(owner.id, { readonly: true });
  const good = (who: Partial<Who>): Who => ({ credentials: 'good', ...who });
  const bad: Who = { credentials: 'bad' };
  const characters: Character[] = [
    { name: 'nobody', who: { credentials: 'none' }, headers: {} },
    { name: 'a malformed header', who: bad, headers: { authorization: 'Bearer' } },
    { name: 'an unknown token', who: bad, headers: bearer(`${owner.token.slice(0, -3)}aaa`) },
    { name: 'an expired token', who: bad, headers: bearer(expired) },
    { name: 'a revoked token', who: bad, headers: bearer(gone.token) },
    { name: 'a token for another protocol', who: bad, headers: bearer(cargo) },
    {
      name: "the owner's read-only token",
      who: good({ reads: true, writes: true, owner: true, readonly: true, account: true, guild: 'owner' }),
      headers: bearer(limited),
    },
    { name: 'a reader', who: good({ reads: true }), headers: bearer(reader) },
    { name: 'a writer of another package', who: good({ owner: true }), headers: bearer(elsewhere) },
    { name: 'one who may only create', who: good({ writes: true }), headers: bearer(creator) },
    {
      name: 'the owner',
      who: good({ reads: true, writes: true, owner: true, account: true, guild: 'owner' }),
      headers: bearer(owner.token),
    },
    {
      name: 'a removed owner',
      who: good({ reads: true, writes: true, account: true, guild: 'developer' }),
      headers: bearer(former.token),
    },
    {
      name: 'the administrator, by Basic',
      who: good({ reads: true, writes: true, admin: true, account: true }),
      headers: { authorization: `Basic ${Buffer.from(`chief:${chief.token}`).toString('base64')}` },
    },
  ];
  let count = 0;
  const must = async (expected: number, method: string, path: string, token: string, body?: unknown): Promise<string> => {
    const answer = await house.ask(method, path, { token, body });
    if (answer.status !== expected) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.text;
  };
  const revision = async (name: string): Promise<string> => {
    const { status, text } = await house.ask('GET', `${at(name)}?write=true`, { token: chief.token });
    return status === 200 ? (JSON.parse(text) as { _rev: string })._rev : '1-none';
  };
  const stage = async (name: string, standing: Standing): Promise<string> => {
    if (standing === 'absent') return name;
    const access = standing === 'restricted' ? 'restricted' : 'public';
    await must(201, 'PUT', at(name), former.token, documentOf({ name, version: '1.0.0', access }));
    await must(201, 'PUT', at(name), former.token, documentOf({ name, version: '1.1.0', tag: 'next' }));
    await must(201, 'PUT', `${at(name)}/-rev/${await revision(name)}`, former.token, { maintainers: [{ name: 'owner' }] });
    if (standing === 'deleted') await must(200, 'DELETE', `${at(name)}/-rev/${await revision(name)}`, owner.token);
    return name;
  };
  // An organisation of another scope than that of the packages which the matrix is about.
  await must(201, 'PUT', at('@guild/tool'), owner.token, documentOf({ name: '@guild/tool', version: '1.0.0', access: 'public' }));
  await must(200, 'PUT', '/-/org/guild/user', chief.token, { user: 'owner', role: 'owner' });
  await must(200, 'PUT', '/-/org/guild/user', owner.token, { user: 'former', role: 'developer' });
  await must(201, 'PUT', '/-/org/guild/team', owner.token, { name: 'crew' });
  const packages = {
    absent: '@acme/absent',
    public: await stage('@acme/public', 'public'),
    restricted: await stage('@acme/closed', 'restricted'),
    deleted: await stage('@acme/hollow', 'deleted'),
  };
  return {
    house,
    characters,
    packages,
    fresh: (standing) => {
      count += 1;
      return stage(`@acme/f${String(count).padStart(5, '0')}`, standing);
    },
    revision,
    close: () => house.close(),
  };
}

/** A reader in whose name the administrator asks: what a matrix must notice wherever a reader may less. */
export function mistakenReader<C extends { readonly name: string; readonly who: object }>({
  characters,
}: {
  readonly characters: readonly C[];
}): C {
  const reader = characters.find(({ name }) => name === 'a reader');
  const administrator = characters.at(-1);
  if (!reader || !administrator) throw new Error('the cast has changed');
  return { ...reader, who: administrator.who };
}
