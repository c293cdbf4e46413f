import { invalid } from '../errors/registry-error.js';
import { text } from '../lib/bytes.js';
import type { RequestBody } from './route.js';

/** The fields of a form in a body that no framework has parsed (`application/x-www-form-urlencoded`). Throws `invalid` for what is not UTF-8. */
export async function readForm(body: RequestBody): Promise<URLSearchParams> {
  const bytes = await body.bytes();
  try {
    return new URLSearchParams(text(bytes));
  } catch (cause) {
    throw invalid('the form is not valid UTF-8', { cause });
  }
}
