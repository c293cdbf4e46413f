import { type UserDirectory, userChange } from './user-directory.js';
import type { TokenRecord } from './user-state.js';

const HOUR = 3_600_000;
const DELAY = 60_000;
const MAX_PENDING = 10_000;

/** Writes down that tokens were used: behind the answer, at most hourly for each, one commit per user and minute. A loss is no fault. */
export class TokenUse {
  private readonly directory: UserDirectory;
  /** User to the tokens that wait to be written. */
  private readonly pending = new Map<string, Set<string>>();
  private timer: { cancel(): void } | undefined;
  private writing: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(directory: UserDirectory) {
    this.directory = directory;
  }

  note(userId: string, token: TokenRecord): void {
    const { clock } = this.directory.runtime;
    if (this.closed || clock.now() - (token.lastUsed ?? 0) < HOUR || this.pending.size >= MAX_PENDING) return;
    const waiting = this.pending.get(userId) ?? new Set<string>();
    this.pending.set(userId, waiting.add(token.id));
    this.timer ??= clock.after(DELAY, () => {
      this.timer = undefined;
      this.writing = this.writing.then(() => this.write());
    });
  }

  private async write(): Promise<void> {
    const batch = [...this.pending];
    this.pending.clear();
    for (const [userId, ids] of batch) {
      // Best effort: a store that cannot write must not trouble those who read.
      await this.record(userId, [...ids]).catch(() => undefined);
    }
  }

  private async record(userId: string, ids: readonly string[]): Promise<void> {
    const now = this.directory.runtime.clock.now();
    const decide = ({
      state,
    }: {
      readonly state: { readonly user: { readonly tokens: ReadonlyMap<string, TokenRecord> } | undefined };
    }) => {
      const due = ids.filter((id) => {
        const token = state.user?.tokens.get(id);
        return token !== undefined && now - (token.lastUsed ?? 0) >= HOUR;
      });
      return { changes: due.length > 0 ? [userChange('used', userId, { ids: due })] : [], result: undefined };
    };
    await this.directory.space.commit(userId, decide, { visible: 'named', timeout: 5_000 });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    this.writing = this.writing.then(() => this.write());
    await this.writing;
  }
}
