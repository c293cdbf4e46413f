/** Who the host says is calling: information for hooks and audit, never a credential. */
export interface IRequestActor {
  readonly userId?: string;
  readonly tokenId?: string;
  readonly ip?: string;
  readonly userAgent?: string;
  readonly orgId?: string;
  readonly [field: string]: unknown;
}

/** Whether the client is still there. What an AbortSignal says, without the making of one, which is dear. */
export interface ClientPresence {
  readonly gone: boolean;
  /** `onGone` is called once, when the client goes before its answer is complete. There is one listener: the last that was given, or none. */
  listen(onGone: (() => void) | undefined): void;
}

class SignalPresence implements ClientPresence {
  private readonly signal: AbortSignal;
  private onGone: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  get gone(): boolean {
    return this.signal.aborted;
  }

  listen(onGone: (() => void) | undefined): void {
    if (this.onGone) this.signal.removeEventListener('abort', this.onGone);
    this.onGone = onGone;
    if (onGone) this.signal.addEventListener('abort', onGone, { once: true });
  }
}

/** What the host knows of its client. */
export const presenceOf = ({
  client,
  signal,
}: {
  readonly client?: ClientPresence | undefined;
  readonly signal?: AbortSignal | undefined;
}): ClientPresence | undefined => client ?? (signal && new SignalPresence(signal));

/** A request as any host can hand it over (public-api.md). */
export interface IRequestContext {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Texts and lists of texts count; what else a parser makes of a query (Express nests objects) is passed over. */
  readonly query: Readonly<Record<string, unknown>>;
  /** Undecoded path and query. Where `path` is its tail, the difference is the host's mount prefix. */
  readonly rawUrl?: string;
  /** `ReadableStream<Uint8Array>`, Node `Readable`, bytes, string, or what a framework has parsed already. */
  readonly body?: unknown;
  readonly actor?: IRequestActor;
  readonly signal?: AbortSignal;
  /** What `signal` says, where an adapter knows it more cheaply. */
  readonly client?: ClientPresence | undefined;
  /** Who is at the other end of the connection: what `trustProxy` is held against. Adapters fill it in; without it no forwarded header is believed. */
  readonly peer?: { readonly address?: string | undefined; readonly encrypted?: boolean | undefined };
}

export interface IResponse {
  readonly status: number;
  readonly statusText?: string;
  readonly headers: Record<string, string>;
  /** Absent for answers without a body. */
  readonly body?: ReadableStream<Uint8Array>;
}

/** An answer whose bytes have not been wrapped yet: our own adapters send them without a stream in between. */
export interface RawResponse {
  readonly status: number;
  readonly statusText: string | undefined;
  readonly headers: Record<string, string>;
  /** Opened already, so that a storage error was a 5xx. Undefined: no body. */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | undefined;
  /** What the log line says; never a secret. */
  readonly about: {
    readonly repository: string | undefined;
    readonly route: string | undefined;
    readonly user: string | undefined;
  };
}

/** What our adapters need of a registry. `SmartRegistry` is one. Never rejects. */
export interface RawHandler {
  handle(context: IRequestContext): Promise<RawResponse>;
  /** False: nothing is mounted at this undecoded path, and a host with further handlers may try them. Absent: everything is ours. */
  handles?(path: string): boolean;
}
