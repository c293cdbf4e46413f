import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface Imports {
  /** By built-in module (`node:…`), the files that import it. */
  readonly builtIn: ReadonlyMap<string, readonly string[]>;
  readonly packages: ReadonlySet<string>;
}

// As the compiler writes them: at the beginning of a line.
const STATIC = /^(?:import\s+(?:[\w*{][^'";]*?\sfrom\s+)?|export\s+(?:\*|\{)[^'";]*?\sfrom\s+)['"]([^'"]+)['"]/gm;

function add(lists: Map<string, string[]>, name: string, file: string): void {
  lists.set(name, [...(lists.get(name) ?? []), file]);
}

/** What is loaded at once with these built files: static imports, followed through; what is loaded on demand is not. */
export function importsOf(dist: string, entries: readonly string[]): Imports {
  const builtIn = new Map<string, string[]>();
  const packages = new Set<string>();
  const seen = new Set<string>();
  const waiting = entries.map((entry) => join(dist, entry));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(STATIC)) {
      if (name.startsWith('.')) waiting.push(join(dirname(file), name));
      else if (name.startsWith('node:')) add(builtIn, name, relative(dist, file));
      else packages.add(name);
    }
  }
  return { builtIn: new Map([...builtIn].sort(([a], [b]) => (a < b ? -1 : 1))), packages };
}
