import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';
import { type House, openHouse } from './house.js';
import type { Standing, Who } from './oci-oracle.js';
import { digestOf, IMAGES, LAYER, SHARED, SPARE } from './oci-uses.js';

export interface Character {
  readonly name: string;
  readonly who: Who;
  readonly headers: Readonly<Record<string, string>>;
}

/** A registry, everybody who may come, and image repositories in every state. */
export interface OciCast {
  readonly house: House;
  readonly characters: readonly Character[];
  /** Six letters behind the slash, so that answers about two of them have the same length. */
  readonly repositories: Readonly<Record<Standing, string>>;
  /** Makes one more. */
  fresh(standing: Standing): Promise<string>;
  /** An upload of the owner's that has just begun. */
  upload(name: string): Promise<string>;
  close(): Promise<void>;
}

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const basic = (name: string, token: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}` });
const PAST = 3_700_000;

export async function openOciCast(anonymousRead: boolean): Promise<OciCast> {
  let skew = 0;
  const runtime: Runtime = { ...systemRuntime, clock: { ...systemRuntime.clock, now: () => Date.now() + skew } };
  const house = await openHouse({ protocol: 'oci', anonymousRead, runtime });
  const { directory } = house.registry.parts.auth;
  const [repository] = house.registry.parts.repositories;
  if (!directory || !repository) throw new Error('no directory');
  const [owner, chief, stranger] = [await house.user('owner'), await house.user('chief', true), await house.user('stranger')];
  const must = async (expected: number, method: string, path: string, asked: Parameters<House['ask']>[2]): Promise<string> => {
    const answer = await house.ask(method, path, asked);
    if (answer.status !== expected) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.headers['location'] ?? answer.text;
  };
  const made = async (id: string, asked: object): Promise<string> => (await directory.createToken(id, asked)).token;
  const session = async (scopes: readonly string[]): Promise<string> => {
    const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join('');
    const told = await must(200, 'GET', `/v2/token?service=x${query}`, { headers: basic('owner', owner.token) });
    return (JSON.parse(told) as { token: string }).token;
  };
  const names = ['absent', 'public', 'closed', 'hollow'].map((name) => `acme/${name}`);
  const expired = await made(owner.id, { ttl: 60 });
  const overSession = await session(['repository:acme/public:pull,push']);
  const gone = await directory.createToken(owner.id);
  await directory.revokeToken(owner.id, gone.info.id);
  skew = PAST;
  const good = (who: Partial<Who>): Who => ({ credentials: 'good', ...who });
  const bad: Who = { credentials: 'bad' };
  const all = { reads: true, creates: true, overwrites: true, deletes: true } as const;
  const token = async (name: string, who: Partial<Who>, id: string, asked: object): Promise<Character> => ({
    name,
    who: good(who),
    headers: bearer(await made(id, asked)),
  });
  const characters: Character[] = [
    { name: 'nobody', who: { credentials: 'none' }, headers: {} },
    { name: 'a malformed header', who: bad, headers: { authorization: 'Bearer' } },
    { name: 'an unknown token', who: bad, headers: bearer(`${owner.token.slice(0, -3)}aaa`) },
    { name: 'an expired token', who: bad, headers: bearer(expired) },
    { name: 'an expired session', who: bad, headers: bearer(overSession) },
    { name: 'a revoked token', who: bad, headers: bearer(gone.token) },
    { name: 'a token for another protocol', who: bad, headers: bearer(await made(owner.id, { protocol: 'npm' })) },
    await token("the owner's read-only token", { ...all, owner: true, readonly: true, uploads: true, account: true }, owner.id, {
      readonly: true,
    }),
    await token('a reader', { reads: true }, stranger.id, { scopes: ['oci:repository:*:pull'] }),
    await token('another user', { ...all, account: true }, stranger.id, {}),
    await token('a writer of another repository', { owner: true, uploads: true }, owner.id, {
      scopes: ['oci:repository:acme/elsewhere:push', 'oci:repository:acme/elsewhere:pull'],
    }),
    await token('a robot that may pull one repository', { reads: ['public'], owner: true, uploads: true }, owner.id, {
      scopes: ['oci:repository:acme/public:pull'],
    }),
    await token('a robot that may only add', { creates: true, owner: true, uploads: true }, owner.id, {
      scopes: ['oci:repository:acme/*:create'],
    }),
    await token(
      'a robot that may push and not delete',
      { reads: true, creates: true, overwrites: true, owner: true, uploads: true },
      owner.id,
      {
        scopes: ['oci:repository:acme/*:push', 'oci:repository:acme/*:pull'],
      },
    ),
    {
      name: 'a session for pulling',
      who: good({ reads: true, owner: true, narrow: true, uploads: true }),
      headers: bearer(await session([...names.map((name) => `repository:${name}:pull`), 'registry:catalog:*'])),
    },
    { name: 'the owner', who: good({ ...all, owner: true, uploads: true, account: true }), headers: bearer(owner.token) },
    {
      name: 'the administrator, by Basic',
      who: good({ ...all, admin: true, account: true }),
      headers: basic('chief', chief.token),
    },
  ];
  const asOwner = { token: owner.token };
  const stage = async (name: string, standing: Standing): Promise<string> => {
    if (standing === 'absent') return name;
    const blobs = standing === 'deleted' ? [SPARE] : [LAYER, SPARE];
    for (const body of blobs)
      await must(201, 'POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(body)}`, { ...asOwner, body });
    if (standing === 'deleted') await must(202, 'DELETE', `/v2/${name}/blobs/${digestOf(SPARE)}`, asOwner);
    else {
      for (const [n, body] of IMAGES.entries())
        await must(201, 'PUT', `/v2/${name}/manifests/v${n + 1}`, { ...asOwner, body, headers: { 'content-type': IMAGE } });
    }
    if (standing === 'restricted') {
      const changes = [{ type: 'visibility', by: owner.id, visibility: 'restricted' }];
      await repository.space.commit(name, () => ({ changes, result: undefined }));
    }
    return name;
  };
  await must(201, 'POST', `/v2/acme/source/blobs/uploads/?digest=${digestOf(SHARED)}`, { ...asOwner, body: SHARED });
  const repositories = {
    absent: 'acme/absent',
    public: await stage('acme/public', 'public'),
    restricted: await stage('acme/closed', 'restricted'),
    deleted: await stage('acme/hollow', 'deleted'),
  };
  let count = 0;
  return {
    house,
    characters,
    repositories,
    fresh: (standing) => {
      count += 1;
      return stage(`acme/f${String(count).padStart(5, '0')}`, standing);
    },
    upload: async (name) => (await must(202, 'POST', `/v2/${name}/blobs/uploads/`, asOwner)).replace(/^.*\//, ''),
    close: () => house.close(),
  };
}
