import { describe, expect, test } from 'vitest';
import {
  FrontMatterError,
  mapList,
  parseDocument,
  stringField,
  stringList,
} from '../../src/core/catalogue/frontMatter.ts';

describe('parseDocument', () => {
  test('splits front matter and body', () => {
    const document = parseDocument('a.md', '---\ntitle: A title\nlist: [x, y]\n---\n\nBody\n\n---\nnot front matter\n');
    expect(document.data).toEqual({ title: 'A title', list: ['x', 'y'] });
    expect(document.body).toBe('Body\n\n---\nnot front matter');
  });

  test('takes a byte order mark and Windows line ends', () => {
    const document = parseDocument('a.md', '\uFEFF---\r\ntitle: T\r\n---\r\nBody');
    expect(document.data).toEqual({ title: 'T' });
    expect(document.body).toBe('Body');
  });

  test('a file without front matter is all body', () => {
    expect(parseDocument('a.md', 'Just text')).toEqual({ path: 'a.md', data: {}, body: 'Just text' });
  });

  test.each(['js', 'javascript', 'coffee', 'coffeescript', 'cson'])('never runs ---%s front matter', (language) => {
    const marker = `frontMatterRan_${language}`;
    const attack = `---${language}\n(globalThis.${marker} = true, { title: 'x' })\n---\nBody`;
    expect(() => parseDocument('evil.md', attack)).toThrow(FrontMatterError);
    expect(marker in globalThis).toBe(false);
  });

  test('reports malformed YAML the second time, too', () => {
    const broken = '---\ntitle: [unclosed\n---\nBody';
    expect(() => parseDocument('broken.md', broken)).toThrow(/^broken\.md: /);
    expect(() => parseDocument('broken.md', broken)).toThrow(FrontMatterError);
  });

  test.each(['- a\n- b', 'just text'])('refuses front matter that is no map: %s', (yaml) => {
    expect(() => parseDocument('a.md', `---\n${yaml}\n---\n`)).toThrow('must be a map');
  });
});

describe('fields', () => {
  const document = parseDocument('p.md', '---\nname: n\nempty: " "\nnumbers: [a, 40001]\nmaps: [{ x: 1 }]\n---\n');

  test('name the file and the key that is wrong', () => {
    expect(() => stringField(document, 'title')).toThrow('p.md: "title" must be a non-empty string');
    expect(() => stringField(document, 'empty')).toThrow('"empty"');
    expect(() => stringList(document, 'name')).toThrow('"name" must be a list of strings');
    expect(() => stringList(document, 'maps')).toThrow('"maps" must be a list of strings');
    expect(() => mapList(document, 'numbers', (item) => item)).toThrow('"numbers" must be a list of maps');
    expect(() => mapList(document, 'maps', (item) => stringField(item, 'x'))).toThrow('p.md: maps[0]: "x"');
  });

  test('a number in a list is taken as its digits', () => {
    expect(stringList(document, 'numbers')).toEqual(['a', '40001']);
  });

  test('a missing list is empty', () => {
    expect(stringList(document, 'none')).toEqual([]);
    expect(mapList(document, 'none', (item) => item)).toEqual([]);
  });
});
