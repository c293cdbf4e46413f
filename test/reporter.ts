import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

const SLOWEST = 12;

/** The files that took longest, each with its seconds: where to look first when a run takes too long. */
function slowest(modules: readonly TestModule[]): string {
  const timed = modules.map((module) => ({ name: module.relativeModuleId, ms: module.diagnostic().duration }));
  const first = timed.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  return first.map(({ name, ms }) => `${relative('test', name)} ${(ms / 1_000).toFixed(1)} s`).join(', ');
}

/** A line for each suite (the folder below `test/`), one for the slowest files, and one for all: `N passed, N failed`. */
export default class SuiteReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const suites = new Map<string, { passed: number; failed: number; skipped: number }>();
    for (const module of modules) {
      const [suite = '', ...deeper] = relative('test', module.relativeModuleId).split('/');
      const name = deeper.length === 0 ? suite.replace(/\.test\.ts$/, '') : suite;
      const counts = suites.get(name) ?? { passed: 0, failed: 0, skipped: 0 };
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'skipped') counts.skipped++;
        else counts.failed++;
      }
      // A file that cannot be loaded has no tests that could fail.
      if (module.errors().length > 0) counts.failed++;
      suites.set(name, counts);
    }
    const total = { passed: 0, failed: errors.length, skipped: 0 };
    for (const [name, { passed, failed, skipped }] of [...suites].sort()) {
      total.passed += passed;
      total.failed += failed;
      total.skipped += skipped;
      console.log(`${name}: ${passed} passed, ${failed} failed${skipped > 0 ? ` (${skipped} skipped)` : ''}`);
    }
    if (modules.length > 1) console.log(`slowest: ${slowest(modules)}`);
    console.log(`all: ${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? ` (${total.skipped} skipped)` : ''}`);
  }
}
