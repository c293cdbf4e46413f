import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../ts/errors/config-error.js';
import { notFound } from '../../ts/errors/registry-error.js';
import { sentence } from '../../ts/server/sentence.js';
import { StorageError } from '../../ts/storage/storage-error.js';

const system = (fields: object): Error => Object.assign(new Error('listen EADDRINUSE: address already in use'), fields);

describe('a failure at a terminal', () => {
  it.each([
    [
      new StorageError('full', 'write x', new Error('ENOSPC: no space left on device')),
      'There is no space left on the storage (ENOSPC: no space left on device)',
    ],
    [new StorageError('denied', 'no such bucket'), 'The storage refuses access (no such bucket)'],
    [system({ code: 'EADDRINUSE', syscall: 'listen', address: '127.0.0.1', port: 80 }), 'port 80 on 127.0.0.1 is in use already'],
    [
      system({ code: 'EACCES', syscall: 'bind', address: '127.0.0.1', port: 80 }),
      'port 80 on 127.0.0.1 may not be used: permission denied',
    ],
    [
      system({ code: 'EADDRNOTAVAIL', syscall: 'listen', address: '192.0.2.1', port: 80 }),
      'port 80 on 192.0.2.1 is no address of this machine',
    ],
    [system({ code: 'ENOTFOUND', syscall: 'getaddrinfo' }), 'the host name is not known'],
    [system({ code: 'ENOSPC', syscall: 'write' }), 'There is no space left on the storage'],
    [notFound('user bob'), 'user bob not found'],
    [new ConfigError([{ path: '--port', message: 'is wrong' }]), '--port: is wrong'],
    [
      new ConfigError([
        { path: 'a', message: 'b' },
        { path: 'c', message: 'd' },
      ]),
      'these options are wrong:\n  a: b\n  c: d',
    ],
    [new Error('first\nsecond'), 'first'],
    ['text', 'text'],
  ])('%s', (error, told) => {
    expect(sentence(error)).toBe(told);
  });
});
