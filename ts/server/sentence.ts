import { ConfigError } from '../errors/config-error.js';
import { RegistryError } from '../errors/registry-error.js';
import { StorageError } from '../storage/storage-error.js';

const SYSTEM: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use already',
  EADDRNOTAVAIL: 'is no address of this machine',
  EACCES: 'may not be used: permission denied',
  ENOTFOUND: 'is not known',
};

const STORAGE: Readonly<Record<StorageError['kind'], string>> = {
  full: 'There is no space left on the storage',
  denied: 'The storage refuses access',
  unavailable: 'The storage cannot be reached',
  conflict: 'The storage is busy',
  unknown: 'The storage did not answer',
  aborted: 'The storage did not answer',
  invalid: 'The storage refuses the call',
  corrupt: 'The storage holds damaged data',
};

/** What went wrong, for somebody at a terminal: what to do about it, no stack. A problem with options is a line each. */
export function sentence(error: unknown): string {
  if (error instanceof ConfigError) {
    const [first, ...more] = error.problems.map(({ path, message }) => `${path}: ${message}`);
    return more.length === 0
      ? (first ?? 'wrong options')
      : ['these options are wrong:', ...[first, ...more].map((line) => `  ${line}`)].join('\n');
  }
  if (error instanceof StorageError) return `${STORAGE[error.kind]} (${causeOf(error)})`;
  if (error instanceof RegistryError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const { code, address, port, syscall } = error as Error & { code?: string; address?: string; port?: number; syscall?: string };
  const known = code === undefined ? undefined : SYSTEM[code];
  // A worker's parent binds for it.
  if (known && (syscall === 'listen' || syscall === 'bind'))
    return `${port === undefined ? 'the address' : `port ${port} on ${address}`} ${known}`;
  if (known && syscall === 'getaddrinfo') return `the host name ${known}`;
  if (code === 'ENOSPC') return STORAGE.full;
  return error.message.split('\n')[0] ?? error.name;
}

/** The innermost cause says what the system said. */
function causeOf(error: Error): string {
  let inner = error;
  for (let depth = 0; inner.cause instanceof Error && depth < 8; depth++) inner = inner.cause;
  return inner.message.split('\n')[0] ?? inner.name;
}
