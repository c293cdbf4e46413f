import type { OpenRegistry } from '../smart-registry.js';
import type { Output } from './output.js';

export type CommandFlags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface CommandCall {
  readonly registry: OpenRegistry;
  readonly flags: CommandFlags;
  readonly words: readonly string[];
  readonly out: Output;
}

export interface Command {
  readonly words: readonly string[];
  /** Words behind the command, as help shows them: those in brackets may be left out. */
  readonly takes: readonly string[];
  readonly flags: Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly multiple?: boolean }>>;
  /** Resolves with the exit code. */
  run(call: CommandCall): Promise<number>;
}
