import type { IUpstreamScopeRule } from './provider.js';

/**
 * Whether an upstream is asked for a name: the last rule that matches decides; where none does, it is asked unless there is an `include` rule. Letters match
 * in either case, so that no spelling leads a private name past its rule.
 */
export function applies(rules: readonly IUpstreamScopeRule[] | undefined, name: string): boolean {
  if (!rules || rules.length === 0) return true;
  const folded = name.toLowerCase();
  const rule = rules.findLast(({ pattern }) => matches(pattern.toLowerCase(), folded));
  return rule ? rule.action === 'include' : rules.every(({ action }) => action !== 'include');
}

/** `*` is any run of characters, the empty one included. What stands between two of them is looked for once, from the left: nothing is tried twice. */
function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return first === name;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  const end = name.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
