import { RegistryError } from '../../ts/errors/registry-error.js';
import type { Decide } from '../../ts/log/schema.js';
import { add, type Names } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { P, spaceOf } from './spaces.js';

/** Refused unless all of `values` are there. */
const note =
  (values: readonly string[]): Decide<Names, void> =>
  ({ state }) => {
    if (!values.every((value) => state.added.includes(value))) throw new RegistryError('not_found', 'no such version');
    return { changes: [{ type: 'note', by: 'u' }], result: undefined };
  };

/** One writer publishes; another, whose cache is old, speaks of what was published before it began: it is never told that this does not exist. */
const refusal = (mutants: Mutants): Scenario => ({
  name: 'refusal',
  processes: ['publisher', 'tagger', 'request 1', 'request 2'],
  async play(stage) {
    const publisher = spaceOf(stage, 'publisher', mutants);
    const tagger = spaceOf(stage, 'tagger', mutants);
    await Promise.all([publisher.open(), tagger.open()]);
    await publisher.commit(P, add('0'));
    await tagger.read(P);
    const acknowledged = ['0'];
    let wrong: string | undefined;
    const request = async () => {
      const needs = [...acknowledged];
      await tagger.commit(P, note(needs)).catch((error: unknown) => {
        wrong = `a change that rests on ${needs.join(' and ')} was refused: ${String(error)}`;
      });
    };
    return {
      scripts: {
        publisher: async () => {
          for (const value of ['1', '2']) {
            await publisher.commit(P, add(value));
            acknowledged.push(value);
          }
        },
        'request 1': request,
        'request 2': request,
      },
      violated: () => wrong,
    };
  },
});

checkScenario(refusal, ['refuse-from-cache']);
