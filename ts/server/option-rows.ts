export type LogFormat = 'text' | 'json';
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface OptionRow {
  /** Key in the file given by `--config`. */
  readonly key: string;
  readonly flag?: string;
  readonly env?: string;
  readonly hint?: string;
  readonly byDefault: string;
  readonly meaning: string;
}

/** The options of `serve`, in the order in which `--help` shows them. */
export const OPTION_ROWS: readonly OptionRow[] = [
  {
    key: 'port',
    flag: 'port',
    env: 'PORT',
    hint: 'N',
    byDefault: '8080',
    meaning: 'where it listens; 0 picks a free one and prints it',
  },
  { key: 'host', flag: 'host', env: 'HOST', hint: 'ADDRESS', byDefault: '127.0.0.1', meaning: 'address it listens on' },
  {
    key: 'storage',
    flag: 'storage',
    env: 'ENTREPOT_STORAGE',
    hint: 'URL',
    byDefault: 'file:./data',
    meaning: 'file:DIR, memory: or s3://BUCKET/PREFIX?endpoint=URL&region=NAME',
  },
  {
    key: 'secretFile',
    flag: 'secret-file',
    hint: 'FILE',
    byDefault: 'a folder makes one',
    meaning: "file with the operator's secret, at least 32 bytes; needed on S3",
  },
  { key: 'secret', env: 'ENTREPOT_SECRET', byDefault: 'see --secret-file', meaning: "the operator's secret itself" },
  {
    key: 'adminToken',
    env: 'ENTREPOT_ADMIN_TOKEN',
    byDefault: 'made, shown once',
    meaning: "the first administrator's token, at least 32 characters",
  },
  {
    key: 'publicUrl',
    flag: 'public-url',
    env: 'ENTREPOT_PUBLIC_URL',
    hint: 'URL',
    byDefault: 'from the request',
    meaning: 'base of generated links',
  },
  {
    key: 'trustProxy',
    flag: 'trust-proxy',
    env: 'ENTREPOT_TRUST_PROXY',
    hint: 'LIST',
    byDefault: 'none',
    meaning: 'addresses whose forwarded headers are believed',
  },
  {
    key: 'workers',
    flag: 'workers',
    env: 'ENTREPOT_WORKERS',
    hint: 'N',
    byDefault: '1',
    meaning: 'processes on one port and one storage',
  },
  {
    key: 'anonymousRead',
    flag: 'anonymous-read',
    env: 'ENTREPOT_ANONYMOUS_READ',
    hint: 'LIST',
    byDefault: 'off',
    meaning: 'repositories that anyone may read: names, or *',
  },
  {
    key: 'upstreams',
    flag: 'upstream',
    env: 'ENTREPOT_UPSTREAM',
    hint: 'LIST',
    byDefault: 'none',
    meaning: 'registries whose packages are served too: npm=URL; rules, credentials and times in the file',
  },
  {
    key: 'logFormat',
    flag: 'log-format',
    env: 'LOG_FORMAT',
    hint: 'text|json',
    byDefault: 'text on a terminal, else json',
    meaning: 'form of log lines',
  },
  {
    key: 'logLevel',
    flag: 'log-level',
    env: 'LOG_LEVEL',
    hint: 'LEVEL',
    byDefault: 'info',
    meaning: `least important lines shown: ${LOG_LEVELS.join(', ')}`,
  },
];
