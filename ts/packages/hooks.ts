/** Who acted, as far as the host told us. */
export interface IHookActor {
  readonly userId?: string;
  readonly tokenId?: string;
  readonly ip?: string;
  readonly userAgent?: string;
  readonly orgId?: string;
  readonly [field: string]: unknown;
}

export interface IStorageHookContext {
  readonly operation: 'put' | 'get' | 'delete';
  /** Logical: `<repository>/<name>/<file>`; never a storage key. */
  readonly key: string;
  readonly protocol: string;
  readonly actor: IHookActor | undefined;
  readonly metadata: {
    readonly packageName: string;
    readonly version: string;
    readonly size: number;
    readonly contentType: string;
    readonly [field: string]: unknown;
  };
  readonly timestamp: Date;
}

export interface IHookVerdict {
  readonly allowed: boolean;
  /** Shown to the client. */
  readonly reason?: string;
}

/** A host's say in what is stored (public-api.md). A `before…` that throws, hangs or answers something else means no. */
export interface IStorageHooks {
  beforePut?(context: IStorageHookContext): Promise<IHookVerdict>;
  afterPut?(context: IStorageHookContext): Promise<void>;
  beforeDelete?(context: IStorageHookContext): Promise<IHookVerdict>;
  afterDelete?(context: IStorageHookContext): Promise<void>;
  /** Of an upstream's file that is not here yet it is asked before the fetch (`size` 0: nobody knows it), and again when the bytes are here. */
  beforeGet?(context: IStorageHookContext): Promise<IHookVerdict>;
  afterGet?(context: IStorageHookContext): Promise<void>;
}
