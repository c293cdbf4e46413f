import type { Action, Gate, OrganisationRights, Principal, Resource, Rights } from '../auth/principal.js';
import type { IHookActor } from '../packages/hooks.js';
import type { Caller } from '../packages/package-handle.js';
import type { IRequestActor } from './context.js';

export interface CallerFacts {
  readonly gate: Gate;
  readonly principal: Principal | undefined;
  readonly resource: (name: string) => Resource;
  /** The scope of a package's name, where the protocol knows scopes. */
  readonly organisationOf: ((name: string) => string | undefined) | undefined;
  /** Undefined: the request cannot bring a one-time password. */
  readonly confirm: (() => Promise<void>) | undefined;
  /** See `Caller.renew`. */
  readonly renew: ((principal: Principal) => Promise<void>) | undefined;
  readonly actor: IRequestActor | undefined;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  readonly lifetime: { readonly signal: AbortSignal; touch(): void };
}

/** A caller whose grants are asked for once per request. */
export class RequestCaller implements Caller {
  readonly principal: Principal | undefined;
  readonly enforceOwners: boolean;
  readonly confirm: (() => Promise<void>) | undefined;
  private readonly facts: CallerFacts;
  /** Made when first needed: most requests read, of one name, where every name is granted. */
  private grants: Map<string, Promise<boolean>> | undefined;
  private organisations: Map<string, Promise<OrganisationRights | undefined>> | undefined;

  constructor(facts: CallerFacts) {
    this.facts = facts;
    this.principal = facts.principal;
    this.enforceOwners = facts.gate.enforceOwners;
    this.confirm = facts.confirm;
  }

  get signal(): AbortSignal {
    return this.facts.lifetime.signal;
  }

  progress(): void {
    this.facts.lifetime.touch();
  }

  async renew(): Promise<void> {
    if (this.principal) await this.facts.renew?.(this.principal);
  }

  granted(name: string, action: Action): Promise<boolean> {
    const key = `${action} ${name}`;
    this.grants ??= new Map();
    let answer = this.grants.get(key);
    if (!answer) {
      answer = this.facts.gate.allows(this.principal, this.facts.resource(name), action);
      this.grants.set(key, answer);
    }
    return answer;
  }

  /** A build in whose name nobody is there is no administrator, whoever let it publish. */
  async administers(name: string): Promise<boolean> {
    if (!this.principal || this.principal.token.unattended === 'workload') return false;
    return (await this.granted(name, 'admin')) || (await this.wider()?.granted(name, 'admin')) === true;
  }

  /** `listed`: for one of many names of a list, where an organisation is asked about once. */
  async rights(name: string, listed = false): Promise<Rights | undefined> {
    const { organisationOf, gate, principal, resource } = this.facts;
    const scope = organisationOf?.(name);
    if (scope === undefined || !principal) return undefined;
    if (listed) this.organisations ??= new Map();
    const asked = (listed ? this.organisations?.get(scope) : undefined) ?? gate.organisation?.(scope);
    if (listed && asked) this.organisations?.set(scope, asked);
    return (await asked)?.rightsOf(principal.userId, resource(name));
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
