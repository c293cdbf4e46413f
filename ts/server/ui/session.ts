const KEY = 'entrepot-token';

/** The token of whoever is logged in: kept for this tab alone, until it is closed. */
export class Session {
  private readonly storage: () => Storage;
  /** Where the browser lets pages keep nothing. */
  private held: string | undefined;

  constructor(storage: () => Storage) {
    this.storage = storage;
  }

  get token(): string | undefined {
    try {
      return this.storage().getItem(KEY) ?? this.held;
    } catch {
      return this.held;
    }
  }

  begin(token: string): void {
    this.held = token;
    try {
      this.storage().setItem(KEY, token);
      this.held = undefined;
    } catch {
      // held until the page is left
    }
  }

  end(): void {
    this.held = undefined;
    try {
      this.storage().removeItem(KEY);
    } catch {
      // nothing was kept
    }
  }
}
