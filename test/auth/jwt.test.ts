import { createHmac, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { type JwtOptions, Jwts } from '../../ts/auth/providers/jwt.js';
import { context, headers, rig, START, TestClock } from './rig.js';

const key = createSecretKey(randomBytes(32));
const now = START / 1_000;
const random = { bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)), fraction: () => 0 };

function jwts(options: Partial<JwtOptions> = {}): { jwts: Jwts; clock: TestClock } {
  const clock = new TestClock();
  return { clock, jwts: new Jwts({ key, issuer: 'entrepot', audience: 'here', clock, random, ...options }) };
}

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const CLAIMS = { iss: 'entrepot', aud: 'here', sub: 'u', jti: 'j', iat: now, exp: now + 300 };

/** Signed by hand, whatever it says. */
function made(header: unknown, payload: unknown, secret: Parameters<typeof createHmac>[1] = key, hash = 'sha256'): string {
  const head = `${part(header)}.${part(payload)}`;
  return `${head}.${createHmac(hash, secret).update(head).digest('base64url')}`;
}

describe('JWTs', () => {
  it('verify what they have signed, with sub, jti, iat and exp', async () => {
    const { jwts: ours } = jwts();
    const token = await ours.sign('u', 300, { scp: ['a:b:c:read'] });
    expect(await ours.verify(token)).toMatchObject({ sub: 'u', iat: now, exp: now + 300, scp: ['a:b:c:read'] });
    expect(await ours.verify(made({ alg: 'HS256' }, CLAIMS))).toMatchObject({ sub: 'u', jti: 'j' });
  });

  it.each([
    ['none', `${part({ alg: 'none' })}.${part(CLAIMS)}.`],
    ['None', `${part({ alg: 'None' })}.${part(CLAIMS)}.`],
    ['NONE with a signature', made({ alg: 'NONE' }, CLAIMS)],
    ['no alg', made({}, CLAIMS)],
    ['HS384', made({ alg: 'HS384' }, CLAIMS, key, 'sha384')],
    ['HS512', made({ alg: 'HS512' }, CLAIMS, key, 'sha512')],
    ['alg of another case', made({ alg: 'hs256' }, CLAIMS)],
    ['alg as a list', made({ alg: ['HS256'] }, CLAIMS)],
    ['RS256 signed with the secret', made({ alg: 'RS256' }, CLAIMS)],
    ['an empty key', made({ alg: 'HS256' }, CLAIMS, Buffer.alloc(0))],
    ['another key', made({ alg: 'HS256' }, CLAIMS, randomBytes(32))],
    ['kid', made({ alg: 'HS256', kid: '../../dev/null' }, CLAIMS)],
    ['kid as SQL', made({ alg: 'HS256', kid: "' OR 1=1 --" }, CLAIMS)],
    ['jku', made({ alg: 'HS256', jku: 'https://keys.example/' }, CLAIMS)],
    ['x5u', made({ alg: 'HS256', x5u: 'https://keys.example/' }, CLAIMS)],
    ['x5c', made({ alg: 'HS256', x5c: ['MIIB'] }, CLAIMS)],
    ['jwk', made({ alg: 'HS256', jwk: { kty: 'oct', k: part('k') } }, CLAIMS)],
    ['crit', made({ alg: 'HS256', crit: ['exp'] }, CLAIMS)],
    ['b64', made({ alg: 'HS256', b64: false }, CLAIMS)],
    ['zip', made({ alg: 'HS256', zip: 'DEF' }, CLAIMS)],
    ['a payload that is a list', made({ alg: 'HS256' }, [CLAIMS])],
    ['a payload that is text', made({ alg: 'HS256' }, '"x"')],
    ['a header that is no JSON', `${part('{"alg":"HS256"')}.${part(CLAIMS)}.${part('x')}`],
    ['five parts, as JWE has', `${made({ alg: 'HS256' }, CLAIMS)}.x.x`],
    ['two parts', made({ alg: 'HS256' }, CLAIMS).split('.').slice(0, 2).join('.')],
    ['empty', ''],
    ['dots', '..'],
  ])('A1 A2: refuse %s', async (_, token) => {
    expect(await jwts().jwts.verify(token)).toBeUndefined();
  });

  it('A2: refuse a key that the token brings along, signed with it', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' });
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: 'ES256', jwk }).sign(privateKey);
    expect(await jwts().jwts.verify(token)).toBeUndefined();
  });

  it("A1: a public key is never an HMAC key, and an algorithm never another key's", async () => {
    const pairs = {
      RS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
      PS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
      ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      EdDSA: generateKeyPairSync('ed25519'),
    } as const;
    for (const [algorithm, { publicKey, privateKey }] of Object.entries(pairs) as [
      keyof typeof pairs,
      (typeof pairs)['ES256'],
    ][]) {
      const verifier = jwts({ key: publicKey, algorithm }).jwts;
      const good = await jwts({ key: privateKey, algorithm }).jwts.sign('u', 300);
      expect(await verifier.verify(good)).toMatchObject({ sub: 'u' });
      const pem = publicKey.export({ type: 'spki', format: 'pem' });
      for (const secret of [pem, String(pem).trim(), publicKey.export({ type: 'spki', format: 'der' })]) {
        for (const alg of ['HS256', algorithm]) expect(await verifier.verify(made({ alg }, CLAIMS, secret))).toBeUndefined();
      }
      for (const [other, pair] of Object.entries(pairs)) {
        if (other === algorithm) continue;
        const foreign = await jwts({ key: pair.privateKey, algorithm: other as 'ES256' }).jwts.sign('u', 300);
        expect(await verifier.verify(foreign)).toBeUndefined();
      }
    }
  });

  it('A3: refuse keys that are short, text, or of the wrong kind', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey;
    const { publicKey: p384 } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const wrong: [unknown, JwtOptions['algorithm']][] = [
      [createSecretKey(randomBytes(31)), 'HS256'],
      [createSecretKey(Buffer.from('k')), 'HS256'],
      ['a text of more than thirty-two bytes, which is no key', 'HS256'],
      [randomBytes(32), 'HS256'],
      [publicKey, 'HS256'],
      [key, 'RS256'],
      [publicKey, 'ES256'],
      [p384, 'ES256'],
      [weak, 'RS256'],
      [undefined, 'HS256'],
    ];
    for (const [candidate, algorithm] of wrong) {
      expect(() => jwts({ key: candidate as JwtOptions['key'], ...(algorithm ? { algorithm } : {}) })).toThrowError(
        /auth\.jwt\.key/,
      );
    }
  });

  it.each(['exp', 'iat', 'sub', 'jti', 'iss', 'aud'])('A4: refuse a token without %s', async (claim) => {
    const { [claim as 'exp']: _, ...rest } = CLAIMS;
    expect(await jwts().jwts.verify(made({ alg: 'HS256' }, rest))).toBeUndefined();
  });

  it.each([
    ['exp as text', { exp: String(now + 300) }],
    ['sub as a number', { sub: 1 }],
    ['empty sub', { sub: '' }],
    ['jti as a list', { jti: ['j'] }],
    ['another issuer', { iss: 'elsewhere' }],
    ['another audience', { aud: 'elsewhere' }],
    ['audiences without ours', { aud: ['a', 'b'] }],
    ['no audience', { aud: '' }],
    ['iat far in the future', { iat: now + 3_600, exp: now + 7_200 }],
    ['a life of years', { iat: now - 90_000, exp: now + 90_000_000 }],
    ['not yet valid', { nbf: now + 3_600 }],
  ])('A4 A8: refuse %s', async (_, change) => {
    expect(await jwts().jwts.verify(made({ alg: 'HS256' }, { ...CLAIMS, ...change }))).toBeUndefined();
  });

  it('A8: accept a list of audiences only when ours is in it', async () => {
    expect(await jwts().jwts.verify(made({ alg: 'HS256' }, { ...CLAIMS, aud: ['there', 'here'] }))).toBeDefined();
  });

  it('A7: one that was proved before is judged like one that is seen for the first time, whenever', async () => {
    const { jwts: ours, clock } = jwts();
    const token = made({ alg: 'HS256' }, { ...CLAIMS, nbf: now - 10, exp: now + 200_000 });
    expect(await ours.verify(token)).toBeDefined();
    const verdicts = new Set<boolean>();
    for (const second of [-100, -41, -40, -39, -31, -30, -29, 0, 86_399, 86_400, 86_429, 86_430, 86_431, 199_999, 0]) {
      const { jwts: fresh, clock: other } = jwts();
      clock.time = (now + second) * 1_000;
      other.time = clock.time;
      const first = (await fresh.verify(token)) !== undefined;
      clock.time = now * 1_000;
      expect(await ours.verify(token)).toBeDefined();
      clock.time = other.time;
      expect([second, (await ours.verify(token)) !== undefined]).toEqual([second, first]);
      verdicts.add(first);
    }
    expect(verdicts.size).toBe(2);
  });

  it('A7: exp and iat hold to the second of leeway, also when the clock steps back', async () => {
    const { jwts: ours, clock } = jwts();
    const token = made({ alg: 'HS256' }, { ...CLAIMS, iat: now, exp: now + 300 });
    const at = async (second: number) => {
      clock.time = (now + second) * 1_000;
      return (await ours.verify(token)) !== undefined;
    };
    for (const [second, good] of [
      [0, true],
      [300, true],
      [329, true],
      [330, false],
      [331, false],
      [0, true],
      [-29, true],
      [-30, true],
      [-31, false],
      [-3_600, false],
      [1, true],
    ] as const) {
      expect([second, await at(second)]).toEqual([second, good]);
    }
  });

  it('A16: refuse a second spelling of the same token', async () => {
    const { jwts: ours } = jwts();
    const token = await ours.sign('u', 300);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const spellings = [`${token}=`, `${token}==`, `${token}\n`, ` ${token}`, token.replaceAll('_', '/').replaceAll('-', '+')];
    for (const last of alphabet) spellings.push(token.slice(0, -1) + last);
    for (const spelling of spellings) {
      if (spelling !== token) expect(await ours.verify(spelling)).toBeUndefined();
    }
    expect(await ours.verify(token)).toBeDefined();
  });

  it('A16: refuse a claim that is there twice, and escapes that hide it', async () => {
    const { jwts: ours } = jwts();
    const json = JSON.stringify(CLAIMS);
    for (const extra of ['"sub":"admin"', '"s\\u0075b":"admin"', '"sub" :"admin"']) {
      expect(await ours.verify(made({ alg: 'HS256' }, `${json.slice(0, -1)},${extra}}`))).toBeUndefined();
      expect(await ours.verify(made({ alg: 'HS256' }, `{${extra},${json.slice(1)}`))).toBeUndefined();
    }
    expect(await ours.verify(made('{"alg":"none","alg":"HS256"}', CLAIMS))).toBeUndefined();
    // The same name deeper down is another matter.
    expect(await ours.verify(made({ alg: 'HS256' }, { ...CLAIMS, x: { sub: '"sub":', list: [{ sub: 1 }] } }))).toBeDefined();
  });

  it('A16: refuse more than 8 KiB', async () => {
    const { jwts: ours } = jwts();
    expect(await ours.verify(made({ alg: 'HS256' }, { ...CLAIMS, x: 'x'.repeat(5_000) }))).toBeDefined();
    expect(await ours.verify(made({ alg: 'HS256' }, { ...CLAIMS, x: 'x'.repeat(8_192) }))).toBeUndefined();
    expect(await ours.verify(made({ alg: 'HS256' }, { ...CLAIMS, x: 'x'.repeat(1_000_000) }))).toBeUndefined();
  });

  it('any single character changed makes it void', async () => {
    const { jwts: ours } = jwts();
    const token = await ours.sign('u', 300);
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      expect(await ours.verify(token.slice(0, at) + other + token.slice(at + 1))).toBeUndefined();
    }
  });
});

describe('OCI session tokens', () => {
  const bob = async () => {
    const all = await rig();
    return { ...all, bob: await all.directory.addUser({ name: 'bob', password: 'pass-Word-4711' }) };
  };

  it('open what was asked, within what the user may', async () => {
    const { manager, bob: user } = await bob();
    const token = await manager.createOciToken(user.id, ['oci:repository:x:pull', 'oci:repository:x:*'], 300);
    expect(await manager.validateToken(token, 'oci')).toMatchObject({ userId: user.id, protocol: 'oci' });
    expect(await manager.authorize(token, 'oci:repository:x', 'push')).toBe(true);
    expect(await manager.authorize(token, 'oci:repository:x', 'admin')).toBe(false);
    expect(await manager.authorize(token, 'oci:repository:y', 'pull')).toBe(false);
    expect(await manager.validateToken(token, 'npm')).toBeNull();
  });

  it('A17: end with their user, with the token they came from, with a new password and when revoked, on every instance', async () => {
    const { manager, directory, provider, another, clock, bob: user } = await bob();
    const other = await another();
    const fresh = () => manager.createOciToken(user.id, ['oci:*:*:pull'], 300);
    const valid = async (token: string) => (await other.manager.validateToken(token, 'oci')) !== null;

    const [kept, revoked] = [await fresh(), await fresh()];
    await manager.revokeToken(revoked);
    expect([await valid(kept), await valid(revoked)]).toEqual([true, false]);

    const parent = await directory.createToken(user.id);
    const who = await manager.identify(headers(`Bearer ${parent.token}`), context('oci'));
    if (!who) throw new Error('not identified');
    const child = await manager.exchange(who, 'oci', ['oci:repository:x:pull'], 300);
    expect(await valid(child.token)).toBe(true);
    await directory.revokeToken(user.id, parent.info.id);
    expect(await valid(child.token)).toBe(false);
    await expect(provider.createSession(user.id, 'oci', { ttl: 60, presented: who.token })).rejects.toMatchObject({
      kind: 'unauthenticated',
    });

    clock.time += 1;
    await directory.setPassword(user.id, 'another-Word-4711');
    expect(await valid(kept)).toBe(false);
    const later = await fresh();
    expect(await valid(later)).toBe(true);
    await directory.setDisabled(user.id, true);
    expect(await valid(later)).toBe(false);
  });

  it("A8: another registry's, or another service's, is refused", async () => {
    const { manager, another, bob: user } = await bob();
    const token = await manager.createOciToken(user.id, ['oci:*:*:pull'], 300);
    expect(await (await another()).manager.validateToken(token)).not.toBeNull();
    expect(await (await another({ service: 'other' })).manager.validateToken(token)).toBeNull();
    expect(await (await another({ secret: 'another-Secret-of-this-test-93715' })).manager.validateToken(token)).toBeNull();
  });

  it('A5: are never more, nor longer, than the token they come from', async () => {
    const { manager, directory, clock, bob: user } = await bob();
    const parent = await directory.createToken(user.id, {
      scopes: ['oci:repository:team/*:push'],
      ttl: 100,
      cidr: ['192.0.2.0/24'],
    });
    const who = await manager.identify(headers(`Bearer ${parent.token}`), context('oci'));
    if (!who) throw new Error('not identified');
    const session = await manager.exchange(who, 'oci', ['oci:repository:team/x:*', 'oci:repository:y:pull'], 3_600);
    expect(session).toMatchObject({ scopes: ['oci:repository:team/x:push'], ttl: 100 });
    const says = await manager.validateToken(session.token, 'oci');
    expect(says).toMatchObject({
      scopes: ['oci:repository:team/x:push'],
      expiresAt: clock.now() + 100_000,
      cidr: ['192.0.2.0/24'],
    });
    await expect(manager.exchange(who, 'oci', ['oci:repository:y:pull'], 60)).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(manager.identify(headers(`Bearer ${session.token}`), context('oci', '198.51.100.1'))).rejects.toMatchObject({
      code: 'ipaddress',
    });
    const child = await manager.identify(headers(`Bearer ${session.token}`), context('oci'));
    if (!child) throw new Error('not identified');
    await expect(manager.exchange(child, 'oci', ['oci:repository:team/x:push'], 60)).rejects.toMatchObject({
      kind: 'unauthenticated',
    });
  });

  it('five hundred revocations are named, more of them end all that were issued so far', async () => {
    const { manager, directory, clock, bob: user } = await bob();
    const kept = await manager.createOciToken(user.id, ['oci:*:*:pull'], 3_600);
    for (let n = 0; n < 501; n++) {
      clock.time += 1;
      await directory.change(user.id, () => [{ type: 'unjwt', by: user.id, jti: `j${n}`, expires: clock.now() + 3_600_000 }]);
    }
    expect(await manager.validateToken(kept)).toBeNull();
    clock.time += 1;
    expect(await manager.validateToken(await manager.createOciToken(user.id, ['oci:*:*:pull'], 60))).not.toBeNull();
  });
});
