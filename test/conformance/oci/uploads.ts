import { expect } from 'vitest';
import { type Algorithm, type Answered, digestOf, type Send, type Sent } from './client.js';

/** Requests with the answers that they must have, counted. */
export class Talk {
  /** Answers looked at. */
  checks = 0;
  private readonly send: Send;

  constructor(send: Send) {
    this.send = send;
  }

  async ask(expected: number | readonly number[], method: string, target: string, sent: Sent = {}): Promise<Answered> {
    const answer = await this.send(method, target, sent);
    this.checks += 1;
    const told = `${method} ${target.slice(0, 120)}: ${answer.status} ${answer.bytes.toString('utf8').slice(0, 200)}`;
    expect([expected].flat(), told).toContain(answer.status);
    if (answer.status >= 400 && method !== 'HEAD') expectError(answer);
    if (method === 'HEAD') expect(answer.bytes.byteLength).toBe(0);
    return answer;
  }
}

/** Errors are JSON in the one form that clients read (distribution-spec, error codes). */
export function expectError({ headers, bytes }: Answered, code?: string): void {
  expect(headers['content-type']).toBe('application/json');
  const { errors } = JSON.parse(bytes.toString('utf8')) as { errors: readonly { code: string; message: unknown }[] };
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) {
    expect(error.code).toMatch(/^[A-Z_]+$/);
    expect(typeof error.message).toBe('string');
  }
  if (code !== undefined) expect(errors[0]?.code).toBe(code);
}

export const OCTETS = { 'content-type': 'application/octet-stream' } as const;
const NOTHING = { body: new Uint8Array(0) } as const;

export const locationOf = ({ headers }: Answered): string => {
  expect(headers['location']).toMatch(/^(?:https?:\/\/[^/]+)?\/./);
  return headers['location'] ?? '';
};

const withDigest = (location: string, digest: string): string =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;

export const blobAt = (name: string, digest: string): string => `/v2/${name}/blobs/${digest}`;

/** What is to be pushed, and which answer its last request must have. */
export interface Push {
  readonly name: string;
  readonly digest: string;
  readonly bytes: Buffer;
  readonly last: number;
}

export async function open(talk: Talk, name: string, query = ''): Promise<string> {
  const opened = await talk.ask(202, 'POST', `/v2/${name}/blobs/uploads/${query}`, NOTHING);
  expect(opened.headers['range']).toBe('0-0');
  expect(opened.headers['docker-upload-uuid']).toMatch(/^[\w-]+$/);
  return locationOf(opened);
}

interface Chunks {
  readonly parts: number;
  /** The last one comes with the PUT. */
  readonly put?: boolean;
  /** Before each, one comes that is not its turn, and the client asks where it stands. */
  readonly confused?: boolean;
}

async function inChunks(talk: Talk, { name, digest, bytes, last }: Push, { parts, put, confused }: Chunks): Promise<Answered> {
  const first = await open(talk, name);
  let location = first;
  // one byte would stand as `0-0`, like none
  const length = Math.max(2, Math.ceil(bytes.byteLength / parts));
  const chunk = (from: number): Sent => ({
    body: bytes.subarray(from, from + length),
    headers: { ...OCTETS, 'content-range': `${from}-${Math.min(from + length, bytes.byteLength) - 1}` },
  });
  const isLast = (from: number): boolean => from + length >= bytes.byteLength;
  for (let from = 0; from < bytes.byteLength; from += length) {
    const wrong = from + length < bytes.byteLength ? from + length : 0;
    if (confused && wrong !== from) {
      const ends = put && isLast(wrong);
      await talk.ask(416, ends ? 'PUT' : 'PATCH', ends ? withDigest(location, digest) : location, chunk(wrong));
      const stands = await talk.ask(204, 'GET', location);
      expect(stands.headers['range']).toBe(`0-${Math.max(0, from - 1)}`);
      location = locationOf(stands);
    }
    if (put && isLast(from)) return talk.ask(last, 'PUT', withDigest(location, digest), chunk(from));
    const sent = await talk.ask(202, 'PATCH', location, chunk(from));
    const end = Math.min(from + length, bytes.byteLength) - 1;
    expect(sent.headers['range']).toBe(`0-${end}`);
    location = locationOf(sent);
    if (!confused) continue;
    // where the upload began is as good as where it stands
    for (const at of [location, first]) {
      await talk.ask(416, 'PATCH', at, chunk(from));
      const stands = await talk.ask(204, 'GET', at);
      expect(stands.headers['range']).toBe(`0-${end}`);
      location = locationOf(stands);
    }
  }
  return talk.ask(last, 'PUT', withDigest(location, digest), NOTHING);
}

/** Every way in which a blob can come in one repository (distribution-spec, pushing blobs). */
export const STYLES: readonly { readonly title: string; push(talk: Talk, push: Push): Promise<Answered> }[] = [
  {
    title: 'oci 7: in one POST',
    push: (talk, { name, digest, bytes, last }) =>
      talk.ask(last, 'POST', withDigest(`/v2/${name}/blobs/uploads/`, digest), { body: bytes, headers: OCTETS }),
  },
  {
    title: 'oci 6: in a PUT',
    push: async (talk, { name, digest, bytes, last }) =>
      talk.ask(last, 'PUT', withDigest(await open(talk, name), digest), { body: bytes, headers: OCTETS }),
  },
  {
    title: 'oci 8: streamed',
    push: async (talk, { name, digest, bytes, last }) => {
      const sent = await talk.ask(202, 'PATCH', await open(talk, name), { body: bytes, headers: OCTETS, streamed: true });
      expect(sent.headers['range']).toBe(`0-${Math.max(0, bytes.byteLength - 1)}`);
      return talk.ask(last, 'PUT', withDigest(locationOf(sent), digest), NOTHING);
    },
  },
  { title: 'oci 9: in one chunk', push: (talk, push) => inChunks(talk, push, { parts: 1 }) },
  { title: 'oci 9: in three chunks', push: (talk, push) => inChunks(talk, push, { parts: 3 }) },
  { title: 'oci 9: in three chunks, the last with the PUT', push: (talk, push) => inChunks(talk, push, { parts: 3, put: true }) },
  {
    title: 'oci 10, oci 11: in chunks out of order and twice',
    push: (talk, push) => inChunks(talk, push, { parts: 3, confused: true }),
  },
  {
    title: 'oci 10: in chunks out of order, the last with the PUT',
    push: (talk, push) => inChunks(talk, push, { parts: 3, put: true, confused: true }),
  },
];

const IN_A_PUT = 1;

/** The plainest way, for content that is only needed. */
export async function pushBlob(talk: Talk, name: string, digest: string, bytes: Buffer): Promise<void> {
  const style = STYLES[IN_A_PUT];
  if (!style) throw new Error('no style');
  expectPushed(await style.push(talk, { name, digest, bytes, last: 201 }), digest);
}

export function expectPushed(answer: Answered, digest: string): void {
  expect(answer.headers['docker-content-digest']).toBe(digest);
  expect(locationOf(answer)).toContain(encodeURIComponent(digest).replace('%3A', ':'));
}

export async function headBlob(talk: Talk, name: string, digest: string, size: number): Promise<void> {
  const { headers } = await talk.ask(200, 'HEAD', blobAt(name, digest));
  expect([headers['content-length'], headers['docker-content-digest']]).toEqual([String(size), digest]);
}

export async function getBlob(talk: Talk, at: string, digest: string, bytes: Buffer): Promise<void> {
  const answer = await talk.ask(200, 'GET', at);
  expect(answer.headers['content-length']).toBe(String(bytes.byteLength));
  expect(answer.headers['docker-content-digest']).toBe(digest);
  expect(answer.bytes.equals(bytes)).toBe(true);
}

export async function removeBlob(talk: Talk, name: string, digest: string): Promise<void> {
  await talk.ask(202, 'DELETE', blobAt(name, digest));
  // the next request goes to another instance, where there is one
  for (const method of ['HEAD', 'GET']) await talk.ask(404, method, blobAt(name, digest));
}

export const blobOf = (text: string, length: number, algorithm: Algorithm): { digest: string; bytes: Buffer } => {
  const bytes = Buffer.from(text.repeat(Math.ceil(length / text.length)).slice(0, length));
  return { digest: digestOf(bytes, algorithm), bytes };
};
