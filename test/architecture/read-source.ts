/**
 * Reads TypeScript as far as the architecture test needs it: what is text, what is a comment, where braces open and close. The compiler of this project
 * has no programming interface any more, so this is a small tokenizer of our own.
 */
type Piece = { readonly kind: 'code' | 'text' | 'comment'; readonly value: string };

const REGEX_MAY_FOLLOW = /(^|[=(,:[!&|?{};+\-*%~^<>]|\b(return|typeof|case|in|of|do|else|void|delete|throw|new|yield|await))\s*$/;

/** Neither begins a text or comment nor counts. */
const PLAIN = /[^'"`/{}]/;
const SPECIAL = /['"`/{}]/;

/** Splits source into code, comments, and the contents of strings, templates and regular expressions (quotes count as code). */
export function pieces(source: string): Piece[] {
  const out: Piece[] = [];
  const nesting: number[] = [];
  let depth = 0;
  let code = '';
  let at = 0;
  const push = (kind: Piece['kind'], value: string) => {
    if (kind === 'code') code = (code + value).slice(-200);
    out.push({ kind, value });
  };
  const until = (from: number, isEnd: (at: number) => boolean): number => {
    let end = from;
    while (end < source.length && !isEnd(end)) end += source[end] === '\\' ? 2 : 1;
    return Math.min(end, source.length);
  };
  const template = (from: number): number => {
    const end = until(from, (i) => source[i] === '`' || (source[i] === '$' && source[i + 1] === '{'));
    push('text', source.slice(from, end));
    if (source[end] === '`') {
      push('code', '`');
      return end + 1;
    }
    push('code', '${');
    nesting.push(depth++);
    return end + 2;
  };
  while (at < source.length) {
    const two = source.slice(at, at + 2);
    const one = source[at] as string;
    if (two === '//') {
      const end = source.indexOf('\n', at);
      push('comment', source.slice(at, end < 0 ? source.length : end));
      at = end < 0 ? source.length : end;
    } else if (two === '/*') {
      const end = source.indexOf('*/', at + 2);
      push('comment', source.slice(at, end + 2));
      at = end + 2;
    } else if (one === "'" || one === '"') {
      const end = until(at + 1, (i) => source[i] === one);
      push('code', one);
      push('text', source.slice(at + 1, end));
      push('code', one);
      at = end + 1;
    } else if (one === '`') {
      push('code', '`');
      at = template(at + 1);
    } else if (one === '/' && REGEX_MAY_FOLLOW.test(code)) {
      let inClass = false;
      const end = until(at + 1, (i) => {
        if (source[i] === '[') inClass = true;
        else if (source[i] === ']') inClass = false;
        return source[i] === '/' && !inClass;
      });
      push('code', '/');
      push('text', source.slice(at + 1, end));
      push('code', '/ ');
      at = end + 1;
    } else if (PLAIN.test(one)) {
      const end = source.slice(at).search(SPECIAL);
      push('code', end < 0 ? source.slice(at) : source.slice(at, at + end));
      at = end < 0 ? source.length : at + end;
    } else {
      if (one === '{') depth++;
      if (one === '}') depth--;
      push('code', one);
      at++;
      if (one === '}' && nesting.at(-1) === depth) {
        nesting.pop();
        at = template(at);
      }
    }
  }
  return out;
}

/** The code alone: contents of texts and comments are gone, line breaks stay. */
export const withoutTextAndComments = (source: string): string =>
  pieces(source)
    .map(({ kind, value }) => (kind === 'code' ? value : value.replace(/[^\n]/g, '')))
    .join('');

export interface ImportOptions {
  /** Count imports that vanish when compiled. Default true. */
  readonly types?: boolean;
  /** Count `import()`. Default true. */
  readonly lazy?: boolean;
}

/** Every module specifier, in order. */
export function importsOf(source: string, { types = true, lazy = true }: ImportOptions = {}): string[] {
  const plain = pieces(source)
    .map(({ kind, value }) => (kind === 'comment' ? '' : value))
    .join('');
  const found: string[] = [];
  for (const match of plain.matchAll(/^\s*(?:import|export)\s+(type\s+)?([^'"`;]*?\bfrom\s*)?['"]([^'"\n]+)['"]/gm)) {
    const onlyTypes =
      match[1] !== undefined || /^\{(\s*type\s+[\w$]+(\s+as\s+[\w$]+)?\s*,?)+\s*\}\s*from\s*$/.test(match[2] ?? '');
    if (types || !onlyTypes) found.push(match[3] as string);
  }
  for (const match of plain.matchAll(/(typeof\s+)?\bimport\(\s*['"]([^'"]+)['"]\s*\)/g))
    if (match[1] === undefined ? lazy : types) found.push(match[2] as string);
  return found;
}

export interface FunctionSpan {
  /** Where its body begins, from 1. */
  readonly line: number;
  /** From the line of its opening brace to that of its closing one. */
  readonly lines: number;
}

const NOT_FUNCTIONS = /\b(if|for|while|switch|catch|with)\s*$/;

/** True when the text before an opening brace ends like a function's head: `) {`, `): Type {` or `=> {`. */
function isFunctionHead(before: string): boolean {
  const head = before.replace(/\s+$/, '');
  if (head.endsWith('=>')) return true;
  const typed = /\)\s*:\s*(?:[\w$.<>[\]|&\s,'"?]|=>|\{[^{}]*\}|\([^()]*\))+$/.exec(head);
  const endsLikeType = typed && /[\w$>\]}'"]$/.test(head) && !/\b(class|interface|function|enum|namespace)\b/.test(typed[0]);
  const closing = head.endsWith(')') ? head.length - 1 : endsLikeType ? typed.index : -1;
  if (closing < 0) return false;
  let depth = 0;
  for (let at = closing; at >= 0; at--) {
    if (head[at] === ')') depth++;
    if (head[at] === '(' && --depth === 0) return !NOT_FUNCTIONS.test(head.slice(0, at));
  }
  return false;
}

/** All functions with a block body, nested ones too. A nested one counts in full towards the one around it. */
export function functionsOf(source: string): FunctionSpan[] {
  const code = withoutTextAndComments(source);
  const open: { readonly line: number; readonly isFunction: boolean }[] = [];
  const found: FunctionSpan[] = [];
  let line = 1;
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '\n') line++;
    if (code[at] === '{') open.push({ line, isFunction: isFunctionHead(code.slice(Math.max(0, at - 1_500), at)) });
    if (code[at] !== '}') continue;
    const block = open.pop();
    if (block?.isFunction) found.push({ line: block.line, lines: line - block.line + 1 });
  }
  return found;
}
