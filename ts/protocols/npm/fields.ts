import { invalid } from '../../errors/registry-error.js';
import type { RequestBody } from '../../http/route.js';

/** A JSON object as a parser hands it over. */
export type Fields = { readonly [field: string]: unknown };

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A body that must be a JSON object. */
export async function jsonObject(body: RequestBody): Promise<Fields> {
  const value = await body.json();
  if (!isFields(value)) throw invalid('the body must be a JSON object');
  return value;
}
