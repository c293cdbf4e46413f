import { expect } from 'vitest';
import type { Answered, Send, Sent } from './client.js';

/** No request of these tests meets so many failures in a row. */
const MAX_TRIES = 60;

export interface Patient {
  readonly send: Send;
  /** Answers that said "not now". */
  readonly refused: () => number;
}

/**
 * A client that does what the specification lets it do after "not now": everything again that may be said twice, and for bytes of an upload it asks first
 * how far they have come. What had happened after all counts as its own work.
 */
export function patient(impatient: Send): Patient {
  let refused = 0;
  /** Bytes that an upload had, as far as answers told. */
  const stands = new Map<string, number>();
  /** Uploads known to be over: to give one up once more is no retry. */
  const gone = new Set<string>();

  const once = async (method: string, target: string, sent: Sent): Promise<Answered> => {
    const answer = await impatient(method, target, sent);
    if (answer.status >= 500 || answer.status === 429) {
      refused += 1;
      expect(answer.status, `${method} ${target}: ${answer.bytes.toString('utf8')}`).toBe(503);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    return answer;
  };
  const again = async (work: () => Promise<Answered | undefined>, what: string): Promise<Answered> => {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const answer = await work();
      if (answer && answer.status < 500 && answer.status !== 429) return answer;
    }
    throw new Error(`${what}: no answer in ${MAX_TRIES} tries`);
  };

  /** Goes on where the upload stands. */
  const append = async (target: string, sent: Sent): Promise<Answered> => {
    const body = sent.body ?? new Uint8Array(0);
    const known = stands.get(target) ?? 0;
    const start = Number(/^(\d+)-/.exec(sent.headers?.['content-range'] ?? '')?.[1] ?? known);
    // what is out of turn on purpose stays so
    if (start !== known) return again(() => once('PATCH', target, sent), `PATCH ${target}`);
    let rest = sent;
    return again(async () => {
      const answer = await once('PATCH', target, rest);
      if (answer.status < 500) return answer;
      const status = await again(() => once('GET', target, {}), `status of ${target}`);
      if (status.status !== 204) return status;
      const end = Number(/^0-(\d+)$/.exec(status.headers['range'] ?? '')?.[1]);
      const has = end === 0 ? 0 : end + 1;
      if (body.byteLength > 0 && has === start + body.byteLength) return { ...status, status: 202 };
      if (has > start && has < start + body.byteLength)
        rest = {
          ...sent,
          headers: { 'content-range': `${has}-${start + body.byteLength - 1}` },
          body: body.subarray(has - start),
        };
      return undefined;
    }, `PATCH ${target}`);
  };

  const send: Send = async (method, target, sent = {}) => {
    if (method === 'PATCH') {
      const answer = await append(target, sent);
      const end = Number(/^0-(\d+)$/.exec(answer.headers['range'] ?? '')?.[1] ?? 0);
      if (answer.status === 202) stands.set(answer.headers['location'] ?? '', end === 0 ? 0 : end + 1);
      return answer;
    }
    let failed = false;
    const answer = await again(async () => {
      const one = await once(method, target, sent);
      failed ||= one.status >= 500;
      return one;
    }, `${method} ${target}`);
    const upload = target.includes('/blobs/uploads/');
    const own = failed && method === 'DELETE' && answer.status === 404 && !gone.has(target);
    if (upload && method === 'DELETE' && (own || answer.status === 204)) gone.add(target);
    if (own) return { ...answer, status: upload ? 204 : 202 };
    return answer;
  };
  return { send, refused: () => refused };
}
