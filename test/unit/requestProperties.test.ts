/** Whatever is typed, pasted or sent by a model: no reader of it throws, and no path that is accepted leads out. */
import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { modulePathProblem, serviceName } from '../../src/core/go/modulePath.ts';
import { folderPathProblem } from '../../src/core/scaffold/folder.ts';
import { COMPONENTS, decodeOptions, encodeOptions, LAYOUTS } from '../../src/core/scaffold/options.ts';
import { parseScaffoldRequest } from '../../src/core/scaffold/request.ts';

const RUNS = { numRuns: 2000 };

const text = fc.string({ unit: 'binary', maxLength: 60 });
/** Paths of the parts that lead astray somewhere, and of harmless ones. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        '~',
        '.git',
        '.GIT',
        'git~1',
        '.g\u200cit',
        '.git ',
        '.git.',
        'con',
        'NUL.txt',
        'C:',
      ),
      fc.constantFrom(
        'a',
        'services',
        'v2',
        'github.com',
        'x..',
        '..x',
        '...',
        '%2e%2e',
        '\u2025',
        '\uff0e\uff0e',
        '\0',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .chain((parts) => fc.constantFrom('/', '\\', '//').map((slash) => parts.join(slash)));

test('every sentence is read, and gives only what is valid', () => {
  const word = fc.oneof(
    fc.constantFrom('module', 'module path is', 'without', 'with', 'no', 'grpc', 'kafka', 'minimal', 'by feature', ','),
    fc.constantFrom('github.com/acme/orders', 'https://example.com/x.', '../../etc', 'internal/platform', ';', ' '),
    text,
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 20 }), (words) => {
      const asked = parseScaffoldRequest(words.join(' '));
      expect(Object.keys(asked).filter((key) => !['modulePath', 'components', 'layout'].includes(key))).toEqual([]);
      expect(modulePathProblem(asked.modulePath ?? 'example.com/x')).toBeUndefined();
      expect([...(asked.components ?? [])].filter((name) => !COMPONENTS.includes(name))).toEqual([]);
      expect(LAYOUTS).toContain(asked.layout ?? 'recommended');
    }),
    RUNS,
  );
});

test.each(['a', ' ', 'module ', '/', 'a/', '"', 'x/y '])(
  'a sentence of a million times %j is read in a moment',
  (part) => {
    const began = performance.now();
    parseScaffoldRequest(`${part.repeat(1_000_000 / part.length)}\u0000`);
    expect(performance.now() - began).toBeLessThan(1000);
  },
);

test('a folder that is accepted stays below its root on every system, and out of .git', () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(hostile, text), (path) => {
      if (folderPathProblem(path) !== undefined) {
        return;
      }
      accepted++;
      expect(posix.normalize(`/base/${path}`)).toBe(`/base/${path}`);
      expect(win32.normalize(`C:\\root\\${path}`)).toBe(`C:\\root\\${path.replaceAll('/', '\\')}`);
      for (const part of path.split('/')) {
        // What Windows (short names, dots and spaces at the end) and macOS (invisible characters) take for ".git".
        expect(part.replace(/\p{Cf}/gu, '').replace(/[. ]+$/, '')).not.toMatch(/^(\.git|git~\d+)$/i);
        expect(part).not.toMatch(/[\p{Cc}\\:]/u);
      }
    }),
    RUNS,
  );
  expect(accepted).toBeGreaterThan(RUNS.numRuns / 20);
});

test('a module path that is accepted is a clean relative path, and gives a name for the service', () => {
  fc.assert(
    fc.property(fc.oneof(hostile, text, fc.webUrl()), (given) => {
      const path = given.replace(/^https?:\/\//, '');
      if (modulePathProblem(path) === undefined) {
        expect(posix.normalize(`/base/${path}`)).toBe(`/base/${path}`);
        expect(path).toMatch(/^[\w.~+-]+(\/[\w.~+-]+)*$/);
        expect(serviceName(path)).toMatch(/^[a-z][a-z0-9-]{0,39}$/);
      }
    }),
    RUNS,
  );
});

const options = fc.record(
  {
    modulePath: text,
    components: fc.subarray([...COMPONENTS]).map((list) => new Set(list)),
    layout: fc.constantFrom(...LAYOUTS),
    goVersion: fc.tuple(fc.nat(3), fc.nat(40)).map(([major, minor]) => `${major}.${minor}`),
  },
  { requiredKeys: ['modulePath', 'components', 'layout'] },
);

test('options come back from a URI and from an argument as they were', () => {
  fc.assert(
    fc.property(options, (given) => {
      expect(decodeOptions(encodeOptions(given))).toEqual(given);
      expect(decodeOptions({ ...given, components: [...given.components] })).toEqual(given);
    }),
    RUNS,
  );
});

test('options are read from anything', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.dictionary(
          fc.constantFrom('modulePath', 'components', 'layout', 'goVersion', 'module', 'go'),
          fc.anything(),
        ),
        text,
      ),
      (given) => {
        const read = decodeOptions(given);
        expect(typeof read.modulePath).toBe('string');
        expect([...read.components].filter((name) => !COMPONENTS.includes(name))).toEqual([]);
        expect(LAYOUTS).toContain(read.layout);
        expect(read.goVersion ?? '1.26').toMatch(/^\d+\.\d+$/);
      },
    ),
    RUNS,
  );
});
