import { RegistryError } from '../../ts/errors/registry-error.js';
import { add } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { logOf, P, spaceOf, unfed } from './spaces.js';
import { WIRE } from './stage.js';

/**
 * The answers to a writer's first creates are lost: the first was applied, the second reaches the store at any later moment. Another writer races for the
 * same version, a sweeper feeds. Who published is told so, the other is refused, and nothing that was committed goes unannounced.
 */
const lostAnswers = (mutants: Mutants): Scenario => ({
  name: 'lost-answers',
  processes: ['unlucky', 'other', 'sweeper', WIRE],
  async play(stage) {
    let creates = 0;
    const loses = (key: string) => {
      if (!key.startsWith('log/')) return undefined;
      creates += 1;
      return creates === 1 ? 'answer' : creates === 2 ? 'late' : undefined;
    };
    const unlucky = spaceOf(stage, 'unlucky', mutants, { loses });
    const [other, sweeper] = [spaceOf(stage, 'other', mutants), spaceOf(stage, 'sweeper', mutants)];
    await Promise.all([unlucky.open(), other.open(), sweeper.open()]);
    const told = new Map<string, string>();
    const publish = async (from: typeof other, who: string, value: string) => {
      const said = await from.commit(P, add(value)).then(
        () => 'published',
        (error: unknown) => (error instanceof RegistryError ? error.kind : String(error)),
      );
      told.set(`${value} by ${who}`, said);
    };
    return {
      scripts: {
        unlucky: async () => {
          await publish(unlucky, 'unlucky', 'same');
          await publish(unlucky, 'unlucky', 'own');
        },
        other: () => publish(other, 'other', 'same'),
        sweeper: () => sweeper.sweep(),
      },
      violated(finished) {
        const unannounced = unfed(stage);
        if (unannounced !== undefined || !finished) return unannounced;
        const said = JSON.stringify([...told]);
        const answers = [told.get('same by unlucky'), told.get('same by other')].sort();
        if (answers.join() !== 'conflict,published' || told.get('own by unlucky') !== 'published')
          return `they were told ${said}`;
        const values = logOf(stage).flatMap(({ changes }) => changes.flatMap(({ value }) => value ?? []));
        return values.sort().join() === 'own,same' ? undefined : `the log holds ${values.join()}, they were told ${said}`;
      },
    };
  },
});

checkScenario(lostAnswers, ['forget-own-id']);
