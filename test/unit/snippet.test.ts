import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { generatedFiles } from '../../scripts/generate.ts';
import { occurrencesOf, snippetBody, splitGoSource } from '../../src/core/catalogue/snippet.ts';
import { expand } from './support/expandSnippet.ts';
import { catalogue } from './support/knowledge.ts';

const stop = (find: string, choices: string[] = []) => ({ find, choices });

describe('snippetBody', () => {
  test('mirrors a word at all its places in CamelCase names and in comments', () => {
    const body = snippetBody('// Breaker is it.\ntype Breaker struct{}\nfunc NewBreaker() *Breaker', [stop('Breaker')]);
    expect(body).toBe('// ${1:Breaker} is it.\ntype ${1} struct{\\}\nfunc New${1}() *${1}$0');
  });

  test('leaves longer words alone', () => {
    expect('Breakers Breaker1 Breaker_x ABreaker breaker'.match(occurrencesOf('Breaker'))).toBeNull();
    expect('reorders orders_id preorders'.match(occurrencesOf('orders'))).toBeNull();
  });

  test('keeps dollars, braces and backslashes of the source', () => {
    const source = 'db.Exec(`INSERT INTO orders VALUES ($1, $2)`)\ns := "\\n}"';
    expect(expand(snippetBody(source, [stop('orders')]))).toBe(source);
  });

  test('offers choices where the front matter names them', () => {
    expect(snippetBody('x := 5 * time.Second', [stop('5 * time.Second', ['5 * time.Second', 'a|b,c'])])).toBe(
      'x := ${1|5 * time.Second,a\\|b\\,c|}$0',
    );
  });

  test('refuses a tab stop that does not occur', () => {
    expect(() => snippetBody('package x', [stop('Missing')])).toThrow('"Missing" does not occur');
  });
});

describe('splitGoSource', () => {
  test('takes grouped, single and named imports', () => {
    const source =
      '// Package p.\npackage p\n\nimport "fmt"\nimport (\n\t"context"\n\tm "math/rand/v2"\n)\n\nvar X = 1\n';
    expect(splitGoSource(source)).toEqual({
      imports: [{ path: 'fmt' }, { path: 'context' }, { path: 'math/rand/v2', name: 'm' }],
      declarations: 'var X = 1\n',
    });
  });

  test('refuses text that is no Go file', () => {
    expect(() => splitGoSource('hello')).toThrow('no package clause');
  });
});

describe('the generated snippets', () => {
  test.each(Object.entries(generatedFiles()))('%s is up to date', (file, text) => {
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  const snippets = JSON.parse(generatedFiles()['snippets/go.json'] ?? '') as Record<
    string,
    { body: string[]; prefix?: string[] }
  >;

  test.each(catalogue.patterns.map((pattern) => [pattern.name, pattern] as const))(
    '%s expands with its defaults to the tested source',
    (_, pattern) => {
      const body = snippets[pattern.title]?.body.join('\n') ?? '';
      const file = snippets[`${pattern.title} (whole file)`]?.body.join('\n') ?? '';
      const variables = { TM_DIRECTORY: `/home/me/${pattern.name}` };
      expect(`${expand(body)}\n`).toBe(splitGoSource(pattern.source).declarations);
      expect(`${expand(file, variables)}\n`).toBe(pattern.source);
      expect(pattern.tabStops.length).toBeGreaterThan(0);
      expect(pattern.tabStops.length).toBeLessThanOrEqual(5);
      for (const { find, choices } of pattern.tabStops) {
        expect(choices.length === 0 || choices[0] === find).toBe(true);
      }
    },
  );

  test('prefixes are letters only, unique and collide with no known set of Go snippets', () => {
    const prefixes = Object.values(snippets).flatMap(({ prefix = [] }) => prefix);
    expect(new Set(prefixes).size).toBe(prefixes.length);
    for (const prefix of prefixes) {
      expect(prefix).toMatch(/^(arch|ga)[a-z]+$/);
      expect(KNOWN_PREFIXES).not.toContain(prefix);
    }
  });
});

// The union of the prefixes of golang/vscode-go, friendly-snippets, vscode-golang-snippets and vim-go (2026-08).
const KNOWN_PREFIXES =
  `aeq anerr anil annil anon ap as benchmark bf br case ch cl cn co con cons cos cs ctx def default defr defunc del df ef
  el else em emf eq errh errl errn errnfw errnw errnwf errp errt es ew ewf example fe few ff ffh finit fmain fme fms fn
  for fori forr forrval forsel fp fr frr ft fum func fuzz gf go gof gofunc gpl hand helloweb herr hf hhf ie ier if ife
  iferr ifok im import ims in inte interface iota ir is json las le lef lf lff ln lo lock logrus lp lv main make map meth
  nb ne new ok om package pkgm pn rd re rn rne rt sel selc select sf sort sp sr st stt sv switch tdt ter terf test tf tl
  tlf tlv tm tr tsrv tswitch tt tyf tyi tys var vars vv wr xml yaml gomain goinit gofile pkg construct stack`.split(
    /\s+/,
  );
