import type { Action, Gate, Principal, Resource } from '../auth/principal.js';
import type { IHookActor } from '../packages/hooks.js';
import type { Caller } from '../packages/package-handle.js';
import type { IRequestActor } from './context.js';

export interface CallerFacts {
  readonly gate: Gate;
  readonly principal: Principal | undefined;
  readonly resource: (name: string) => Resource;
  readonly actor: IRequestActor | undefined;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  readonly lifetime: { readonly signal: AbortSignal };
}

/** A caller whose grants are asked for once per request. */
export class RequestCaller implements Caller {
  readonly principal: Principal | undefined;
  readonly enforceOwners: boolean;
  private readonly facts: CallerFacts;
  private readonly grants = new Map<string, Promise<boolean>>();

  constructor(facts: CallerFacts) {
    this.facts = facts;
    this.principal = facts.principal;
    this.enforceOwners = facts.gate.enforceOwners;
  }

  get signal(): AbortSignal {
    return this.facts.lifetime.signal;
  }

  granted(name: string, action: Action): Promise<boolean> {
    const key = `${action} ${name}`;
    let answer = this.grants.get(key);
    if (!answer) {
      answer = this.facts.gate.allows(this.principal, this.facts.resource(name), action);
      this.grants.set(key, answer);
    }
    return answer;
  }

  /** As they could be with another session of theirs; undefined: there is no more to be had. */
  wider(): RequestCaller | undefined {
    const { principal, gate } = this.facts;
    const wider = principal && gate.wider?.(principal);
    return wider && new RequestCaller({ ...this.facts, principal: wider });
  }

  /** Who they are where names are listed. */
  lister(): RequestCaller {
    return (this.principal?.token.lists === true && this.wider()) || this;
  }

  /** True: reading is granted whatever the name; false: each name must be asked about. */
  readsEvery(): boolean {
    return this.facts.gate.allowsEvery?.(this.principal, this.facts.resource(''), 'read') === true;
  }

  /** What the host said, and over it what was proved. */
  get actor(): IHookActor {
    const { actor, address, userAgent, principal } = this.facts;
    return {
      ...(address !== undefined && { ip: address }),
      ...(userAgent !== undefined && { userAgent }),
      ...actor,
      ...(principal && { userId: principal.userId }),
      ...(principal?.tokenId !== undefined && { tokenId: principal.tokenId }),
    };
  }
}
