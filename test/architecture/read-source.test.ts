// biome-ignore-all lint/suspicious/noTemplateCurlyInString: source code as text.
import { describe, expect, it } from 'vitest';
import { functionsOf, importsOf, withoutTextAndComments } from './read-source.js';

describe('the reader of the architecture test', () => {
  it('tells code from texts, comments, templates and regular expressions', () => {
    const source = [
      "const a = 'Date.now() {'; // Math.random",
      'const b = `x ${c({ d: `}` })} y`;',
      'const e = /[/{]\\/x/g.test(f) / 2;',
    ].join('\n');
    expect(withoutTextAndComments(source)).toBe(
      ["const a = ''; ", 'const b = `${c({ d: `` })}`;', 'const e = // g.test(f) / 2;'].join('\n'),
    );
  });

  it('finds every import, and knows those that vanish', () => {
    const source = [
      "import a from './a.js';",
      "import type { B } from './b.js';",
      "import { type C, type D as E } from './c.js';",
      "import { type F, g } from './d.js';",
      "export { h } from './e.js';",
      "export type { I } from './f.js';",
      "export * from './g.js';",
      "import './h.js';",
      "const j = await import('./i.js');",
      "type K = typeof import('./j.js');",
      "// import './comment.js';",
      'const text = "import \'./text.js\'";',
      'import {',
      '  l,',
      '  type M,',
      "} from './k.js';",
    ].join('\n');
    const file = (name: string) => `./${name}.js`;
    expect(importsOf(source).sort()).toEqual([...'abcdefghijk'].map(file));
    expect(importsOf(source, { types: false }).sort()).toEqual([...'adeghik'].map(file));
    expect(importsOf(source, { types: false, lazy: false }).sort()).toEqual([...'adeghk'].map(file));
  });

  it('measures functions of every form and nothing else', () => {
    const source = [
      'function a(b: (c: number) => void): Promise<{ d: string }> {',
      '  if (b) {',
      '    b(1);',
      '  }',
      '}',
      'const e = async () => {',
      '  for (const f of []) {',
      '  }',
      '};',
      'class G {',
      '  method(h = {}) {',
      '    return { i: 1 };',
      '  }',
      '  get j(): string {',
      "    return '';",
      '  }',
      '}',
      'interface K {',
      '  l(): void;',
      '}',
    ].join('\n');
    expect(functionsOf(source)).toEqual([
      { line: 1, lines: 5 },
      { line: 6, lines: 4 },
      { line: 11, lines: 3 },
      { line: 14, lines: 3 },
    ]);
  });
});
