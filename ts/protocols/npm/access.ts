import { forbidden, invalid } from '../../errors/registry-error.js';
import type { Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import { confirmationChange, visibilityChange } from '../../packages/changes.js';
import type { Confirmation } from '../../packages/package-handle.js';
import type { Fields } from './fields.js';
import { actorOf, change, done } from './life-cycle.js';
import type { NpmName } from './names.js';
import type { NpmState } from './state.js';

/** What `mfa=none|publish|automation` wants; undefined: the body is not about it. */
function confirmationOf(body: Fields): Confirmation | 'none' | undefined {
  const { publish_requires_tfa: required, automation_token_overrides_tfa: tokens } = body;
  if (required === undefined) return undefined;
  if (typeof required !== 'boolean' || (tokens !== undefined && typeof tokens !== 'boolean'))
    throw invalid('publish_requires_tfa and automation_token_overrides_tfa must be true or false');
  if (!required) return 'none';
  return tokens === true ? 'people' : 'everybody';
}

/** `npm access set`: visibility, and whether changes need a one-time password. */
export async function setAccess(call: Call<{ readonly name: NpmName }, Fields, NpmState>): Promise<Reply> {
  const by = actorOf(call);
  const { access } = call.body;
  const confirmation = confirmationOf(call.body);
  if (access === undefined && confirmation === undefined) throw invalid('access is missing');
  // They would lock themselves out.
  if (confirmation !== undefined && confirmation !== 'none' && call.principal?.token.secondFactor === undefined)
    throw forbidden('turn on two-factor authentication first: npm profile enable-2fa');
  const visibility = access === 'private' || access === 'restricted' ? 'restricted' : 'public';
  if (access !== undefined && access !== 'public' && visibility === 'public')
    throw invalid('access must be public, restricted or private');
  const snapshot = await change(call.package, 'admin', ({ state }) => [
    ...(access === undefined || state.visibility === visibility ? [] : [visibilityChange(by, visibility)]),
    ...(confirmation === undefined || (state.confirmation ?? 'none') === confirmation
      ? []
      : [confirmationChange(by, confirmation)]),
  ]);
  return done(snapshot);
}
