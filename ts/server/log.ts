import type { Clock } from '../lib/clock.js';
import { LOG_LEVELS, type LogFormat, type LogLevel } from './option-rows.js';

export type Level = Exclude<LogLevel, 'silent'>;

/** One answered request, as a log line tells it. Never holds a query, a header or a body. */
export interface RequestRecord {
  readonly method: string;
  /** Undecoded, without the query. */
  readonly path: string;
  readonly status: number;
  /** Body bytes sent. */
  readonly bytes: number;
  readonly milliseconds: number;
  readonly user: string | undefined;
  readonly repository: string | undefined;
  readonly route: string | undefined;
  readonly peer: string | undefined;
  /** The connection ended before the answer was complete. */
  readonly cut: boolean;
}

export interface LogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Takes one line without its end. */
  write(line: string): void;
}

/** Segments behind these stand for credentials: revoking a token, a web login's session, a confirmation's. */
const SECRET_FOLLOWS =
  /\/-\/(user\/token|npm\/v1\/tokens\/token|api\/v1\/tokens|v1\/login\/cli|v1\/login|v1\/done|v1\/confirm|v1\/confirmed)\/.+$/;
/** Our own tokens, JWTs, and what other registries' tokens look like. */
const TOKEN_LIKE =
  /\b(ent_[A-Za-z0-9_-]{8,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+|(npm|pypi|ghp|gho|glpat|cio|rubygems)[_-][A-Za-z0-9_-]{16,})/g;
const MAX_PATH = 512;

/** A path as logs may show it: no query, no credentials, printable, at most 512 characters. */
export function loggedPath(target: string): string {
  const path = target
    .slice(0, 8 * MAX_PATH)
    .replace(/[?#].*$/s, '')
    // A whole URL as target: whose it is may hold a password.
    .replace(/^[^/]*:\/\/[^/]*/, '')
    // Routes are matched with these plain, so a secret's place is found only in the plain path.
    .replace(/%[0-9A-Fa-f]{2}/g, (encoded) => {
      const char = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
      return /[A-Za-z0-9._~-]/.test(char) ? char : encoded;
    })
    .replace(/\/\/+(?=-\/)/g, '/');
  const hidden = path.replace(SECRET_FOLLOWS, (_all, api: string) => `/-/${api}/***`).replace(TOKEN_LIKE, '***');
  const printable = hidden.replace(/[^!-~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return printable.length > MAX_PATH ? `${printable.slice(0, MAX_PATH)}…` : printable;
}

/** Lines for an operator: text on a terminal, JSON for machines. */
export class Log {
  private readonly options: LogOptions;
  private readonly least: number;

  constructor(options: LogOptions) {
    this.options = options;
    this.least = LOG_LEVELS.indexOf(options.level);
  }

  /** What must be told whatever the level: `lines` for a person, or one object for a machine. */
  announce(message: string, lines: readonly string[], fields: Readonly<Record<string, string>>): void {
    if (this.options.format === 'text') for (const line of lines) this.options.write(line);
    else this.line('info', message, fields);
  }

  /** Something happened that is no request. `fields` must hold no secret. */
  note(level: Level, message: string, fields: Readonly<Record<string, string | number | undefined>> = {}): void {
    if (LOG_LEVELS.indexOf(level) < this.least) return;
    this.line(level, message, fields);
  }

  /** An internal fault: clients are told nothing of it, the operator all. */
  fault(error: unknown, where: string): void {
    const told = error instanceof Error ? error : new Error(String(error));
    const cause = told.cause instanceof Error ? `${told.cause.name}: ${told.cause.message}` : undefined;
    this.note('error', `${told.name}: ${told.message}`, { where, cause, stack: told.stack?.split('\n').slice(1, 8).join('\n') });
  }

  request(record: RequestRecord): void {
    const level: Level = record.status >= 500 ? 'error' : 'info';
    if (LOG_LEVELS.indexOf(level) < this.least) return;
    const { method, status, bytes, user, repository, route, peer, cut } = record;
    const path = loggedPath(record.path);
    const ms = Math.round(record.milliseconds * 10) / 10;
    const rest = { ...(cut ? { cut: 'yes' } : {}), user, repository, route, peer };
    if (this.options.format === 'json') this.line(level, 'request', { method, path, status, bytes, ms, ...rest });
    else this.line(level, `${status} ${method} ${path} ${bytes} B ${ms} ms`, rest);
  }

  private line(level: Level, message: string, fields: Readonly<Record<string, string | number | undefined>>): void {
    const time = new Date(this.options.clock.now()).toISOString();
    if (this.options.format === 'json') {
      this.options.write(JSON.stringify({ time, level, message, ...fields }));
      return;
    }
    const { stack, ...shown } = fields;
    const pairs = Object.entries(shown).flatMap(([name, value]) =>
      value === undefined ? [] : ` ${name}=${plain(String(value))}`,
    );
    this.options.write(`${time} ${level.padEnd(5)} ${plain(message)}${pairs.join('')}${stack === undefined ? '' : `\n${stack}`}`);
  }
}

/** One line stays one line, whatever a client has put into it. */
const plain = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029]/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
