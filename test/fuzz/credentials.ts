import { createHmac } from 'node:crypto';

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const signed = (head: string, payload: string, key: string): string =>
  `${head}.${payload}.${createHmac('sha256', key).update(`${head}.${payload}`).digest('base64url')}`;
const flipped = (text: string, at: number): string => {
  const place = (at + text.length) % text.length;
  return `${text.slice(0, place)}${text[place] === 'A' ? 'B' : 'A'}${text.slice(place + 1)}`;
};

/** Authorization lines that open nothing, made from a JWT and a token that do. */
export function badCredentials(jwt: string, token: string): readonly string[] {
  const [head = '', payload = '', signature = ''] = jwt.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const body = (more: object): string => part({ ...claims, ...more });
  const jwts = [
    `${part({ alg: 'none' })}.${payload}.`,
    `${part({ alg: 'None', typ: 'JWT' })}.${payload}.${signature}`,
    `${head}.${payload}.`,
    `${head}.${payload}`,
    `${head}.${payload}.${signature}.${signature}`,
    `${head}.${payload}.${signature}=`,
    `${head}..${signature}`,
    '..',
    `${head}.${body({ sub: 'admin' })}.${signature}`,
    `${head}.${body({ exp: 4e9 })}.${signature}`,
    ...['', 'secret', 'changeme', '0'.repeat(32)].map((key) => signed(head, body({ exp: 4e9 }), key)),
    signed(part({ alg: 'HS256', kid: '../../dev/null' }), payload, ''),
    signed(part({ alg: 'HS256', jwk: { kty: 'oct', k: part('k') } }), payload, 'k'),
    signed(part({ alg: 'HS512' }), payload, 'k'),
    `${part('[]')}.${payload}.${signature}`,
    `${part('null')}.${payload}.${signature}`,
    `${part('{"alg":"HS256","alg":"none"}')}.${payload}.${signature}`,
    `${part(`{"alg":${'['.repeat(3_000)}`)}.${payload}.${signature}`,
    `${head}.${part('\u0000')}.${signature}`,
    ...[0, 5, -1].map((at) => `${flipped(head, at)}.${payload}.${signature}`),
    ...[0, 9, -2].map((at) => `${head}.${flipped(payload, at)}.${signature}`),
    ...[0, 9].map((at) => `${head}.${payload}.${flipped(signature, at)}`),
    `${head}.${payload}.${signature.toLowerCase()}`,
    'e30.e30.e30',
  ];
  const tokens = [
    ...[4, 10, 20, 40, -1].map((at) => flipped(token, at)),
    token.slice(0, -1),
    `${token}a`,
    token.toUpperCase(),
    token.replace('ent_', ''),
    `ent_${'a'.repeat(32)}_${'a'.repeat(40)}`,
    'ent_',
    'ent__',
    `ent_${'.'.repeat(5_000)}`,
    'null',
    'undefined',
    '[object Object]',
    '__proto__',
  ];
  const basic = (text: string): string => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`;
  return [
    ...jwts.map((text) => `Bearer ${text}`),
    ...tokens.map((text) => `Bearer ${text}`),
    ...[
      '',
      ':',
      'ann',
      'ann:',
      ':x',
      '\0:\0',
      'ann:wrong',
      '\xff\xfe:\xff',
      'a:b:c',
      `${'u'.repeat(5_000)}:x`,
      `ann:${tokens[0]}`,
    ].map(basic),
    'Basic',
    'Basic ',
    'Basic ====',
    'Basic %%%',
    'Bearer',
    'Bearer ',
    `Bearer\t${tokens[0]}`,
    `Digest username="ann", response="x"`,
    `bearer ${tokens[0]},${token}`,
    `Bearer ${'a'.repeat(6_000)}`,
    'Negotiate TlRMTVNTUAAB',
  ];
}
