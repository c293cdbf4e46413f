import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './order.js';

const ROOT = new URL('..', import.meta.url).pathname;

/** What replaces parts of the platform, listens to the whole process or weighs it has a process to itself. */
const ALONE = /\bvi\.(?:mock|spyOn)\(|\bmemoryUsage\b|\bprocess\.on\(/;
const alone = readdirSync(`${ROOT}test`, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && ALONE.test(readFileSync(`${ROOT}test/${name}`, 'utf8')))
  .map((name) => `test/${name}`);

export default defineConfig({
  test: {
    root: ROOT,
    globalSetup: ['test/build-before.ts'],
    setupFiles: ['test/set-up.ts'],
    pool: 'forks',
    // On two cores vitest would use one, and much of what runs here waits for other processes. What CI runs beside keeps both cores busy by itself.
    maxWorkers: process.env['REQUIRE_CLIENTS'] === '1' ? 2 : 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', './test/reporter.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'alone', include: alone } },
      // A process for each of the others would cost more than most of them do: as many processes as workers take them one after the other.
      { extends: true, test: { name: 'together', include: ['test/**/*.test.ts'], exclude: alone, isolate: false } },
    ],
  },
});
