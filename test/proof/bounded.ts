import { check, type Operation, type Verdict } from './linearizability.js';
import { type Input, type Output, packageModel } from './package-model.js';

type Asked = Operation<Input, Output> & { readonly instance: number };

const isRead = ({ input }: Asked): boolean => input.op === 'read';
/** Changed something, or may have. A refusal tells of a change that may still wait for its own acknowledgement. */
const mayHaveChanged = ({ output }: Asked): boolean => output === 'ok' || output === undefined;

/**
 * What holds while instances may be a while behind, of one package: all changes and refusals have one order, and what each instance shows is a way through
 * that order that never goes back and that holds whatever had been acknowledged, by anyone, before it was asked.
 */
export function checkBounded(history: readonly Asked[]): Verdict {
  const changes = history.filter((one) => !isRead(one));
  const inOrder = check(packageModel, changes);
  if (!inOrder.linearizable) return inOrder;
  const certain = changes.filter(mayHaveChanged);
  for (const instance of new Set(history.map((one) => one.instance))) {
    const reads = history.filter((one) => isRead(one) && one.instance === instance);
    const verdict = check(packageModel, [...certain, ...reads]);
    if (!verdict.linearizable) return verdict;
  }
  return { linearizable: true };
}
