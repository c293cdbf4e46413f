import { add } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { logOf, P, spaceOf, tried } from './spaces.js';

/** Two writers publish the same and another version: one winner, nothing acknowledged is lost. */
const commit = (mutants: Mutants): Scenario => ({
  name: 'commit',
  processes: ['writer 1', 'writer 2', 'reader'],
  async play(stage) {
    const one = spaceOf(stage, 'writer 1', mutants);
    const two = spaceOf(stage, 'writer 2', mutants);
    const reader = spaceOf(stage, 'reader', mutants, { slow: true });
    await Promise.all([one.open(), two.open(), reader.open()]);
    const won: string[] = [];
    const publish = async (from: typeof one, value: string) => {
      if (await tried(from.commit(P, add(value)))) won.push(value);
    };
    let seen: readonly string[] = [];
    return {
      scripts: {
        'writer 1': async () => {
          await publish(one, 'same');
          await publish(one, 'own 1');
        },
        'writer 2': async () => {
          await publish(two, 'same');
          await publish(two, 'own 2');
        },
        reader: async () => {
          await reader.read(P);
          seen = (await reader.readStrong(P)).state.added;
        },
      },
      violated(finished) {
        if (won.filter((value) => value === 'same').length > 1)
          return 'two writers were told that they published the same version';
        if (!finished) return undefined;
        const there = logOf(stage).flatMap(({ changes }) => changes.map(({ value }) => value));
        const lost = won.filter((value) => !there.includes(value));
        if (lost.length > 0) return `acknowledged and lost: ${lost.join(', ')}`;
        if (won.length !== 3) return `three should have won, these did: ${won.join(', ')}`;
        return new Set(seen).size === seen.length ? undefined : 'a reader saw a version twice';
      },
    };
  },
});

checkScenario(commit, ['unconditional-create']);
