import { secretProblem } from './auth/secret.js';
import type { ConfigProblem } from './errors/config-error.js';
import { nearest } from './lib/nearest.js';

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Collects what is wrong, each with its path; every check goes on after a problem. Values that are `undefined` count as left out. */
export class Checks {
  readonly problems: ConfigProblem[] = [];

  problem(path: string, message: string): undefined {
    this.problems.push({ path, message });
    return undefined;
  }

  fields(path: string, value: unknown): Fields | undefined {
    return isFields(value) ? value : this.problem(path, 'must be an object');
  }

  known(path: string, value: Fields, keys: readonly string[]): void {
    for (const key of Object.keys(value)) {
      if (keys.includes(key)) continue;
      const meant = nearest(key, keys);
      this.problem(path ? `${path}.${key}` : key, `no such option${meant ? `; did you mean ${meant}?` : ''}`);
    }
  }

  text(path: string, value: unknown): string | undefined {
    if (value === undefined) return undefined;
    return typeof value === 'string' && value !== '' ? value : this.problem(path, 'must be a text that is not empty');
  }

  flag(path: string, value: unknown): boolean | undefined {
    if (value === undefined) return undefined;
    return typeof value === 'boolean' ? value : this.problem(path, 'must be true or false');
  }

  integer(path: string, value: unknown, min: number, max: number): number | undefined {
    if (value === undefined) return undefined;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
    return fits ? value : this.problem(path, `must be a whole number from ${min} to ${max}`);
  }

  oneOf<T extends string>(path: string, value: unknown, allowed: readonly T[]): T | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'string' && (allowed as readonly string[]).includes(value)) return value as T;
    const meant = typeof value === 'string' ? nearest(value, allowed) : undefined;
    return this.problem(path, `must be one of ${allowed.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`);
  }

  /** An operator's secret. The value itself is never repeated in the message. */
  secret(path: string, value: unknown): string | undefined {
    const secret = this.text(path, value);
    const problem = secret === undefined ? undefined : secretProblem(secret);
    return problem === undefined ? secret : this.problem(path, problem);
  }

  /** An http(s) URL without credentials, query or fragment; answers it without a trailing slash. */
  baseUrl(path: string, value: unknown): string | undefined {
    const given = this.text(path, value);
    if (given === undefined) return undefined;
    const url = URL.canParse(given) ? new URL(given) : undefined;
    if (!url || !/^https?:$/.test(url.protocol)) return this.problem(path, 'must be an http or https URL');
    if (url.username || url.password) return this.problem(path, 'must not hold a user name or password');
    if (url.search || url.hash) return this.problem(path, 'must not have a query or a fragment');
    return given.replace(/\/+$/, '');
  }

  /** An object that has these methods, however it was made. */
  methods(path: string, value: unknown, needed: readonly string[], optional: readonly string[] = []): undefined {
    if (value === undefined) return;
    if (typeof value !== 'object' || value === null) return this.problem(path, 'must be an object with methods');
    const held = value as Fields;
    for (const name of needed) if (typeof held[name] !== 'function') this.problem(`${path}.${name}`, 'must be a method');
    for (const name of optional)
      if (held[name] !== undefined && typeof held[name] !== 'function') this.problem(`${path}.${name}`, 'must be a method');
  }
}
