/** The methods of an object that answer with promises. */
export type Asked<T> = {
  readonly [K in keyof T as T[K] extends (...args: never[]) => Promise<unknown> ? K : never]: T[K];
};

/** An object whose modules are not loaded yet. */
export interface Later<T> {
  /** The first call of any of them loads; what cannot be loaded rejects that call, and the next one tries again. */
  readonly methods: Asked<T>;
  /** Loads now, so that no call has to wait for it. */
  load(): Promise<T>;
}

/** Puts the making of an object off until somebody asks it for something: `make` imports its modules, which a start then need not wait for. */
export function later<T extends object>(make: () => Promise<T>): Later<T> {
  let made: Promise<T> | undefined;
  const load = (): Promise<T> => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  const method =
    (name: string | symbol) =>
    async (...args: unknown[]): Promise<unknown> => {
      const on: object = await load();
      return Reflect.apply(Reflect.get(on, name), on, args);
    };
  return { methods: new Proxy({} as Asked<T>, { get: (_, name) => method(name) }), load };
}
