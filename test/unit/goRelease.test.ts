/** One Go release in the whole folder: that of the go.mod, wherever a file names it. */
import { describe, expect, test } from 'vitest';
import { goModGap, parseGoMod } from '../../src/core/go/goMod.ts';
import { buildRelease } from '../../src/core/go/version.ts';
import { defaultOptions } from '../../src/core/scaffold/options.ts';
import { renderService } from '../../src/core/scaffold/render.ts';
import { fitToModule } from '../../src/core/scaffold/suggest.ts';
import { serviceAssets } from './support/knowledge.ts';

const goMod = (lines: string) => `module example.com/mine\n\n${lines}\n`;
const releaseOf = (lines: string) => {
  const module = parseGoMod(goMod(lines));
  return module && buildRelease(module);
};
const own = releaseOf(/^go .*$/m.exec(serviceAssets['media/service/go.mod'] ?? '')?.[0] ?? '') ?? '';
const optionsFor = (lines: string) => fitToModule(defaultOptions('example.com/x'), parseGoMod(goMod(lines)));

/** Text of each file that go.mod and go.sum do not decide. */
function texts(lines?: string): Map<string, string> {
  const options = lines === undefined ? defaultOptions('example.com/mine') : optionsFor(lines);
  return new Map(renderService(serviceAssets, options).map(({ path, text }) => [path, text]));
}

test.each([
  ['go 1.27', '1.27'],
  ['go 1.27.3', '1.27'],
  ['go 1.26.0\ntoolchain go1.27.1', '1.27'],
  ['go 1.27.0\ntoolchain go1.26.8', '1.27'],
  ['go 1.26\ntoolchain go1.27.1-acme', '1.27'],
  ['go 1.26\ntoolchain default', '1.26'],
  ['go 1.27rc1', undefined],
  ['go 1.26.0\ntoolchain go1.28rc1', '1.26'],
  ['go 1.x', undefined],
  ['go 1.27$(id)', undefined],
  ['', undefined],
])('a module with %j is built with %s', (lines, expected) => {
  expect(releaseOf(lines)).toBe(expected);
});

describe('the real service', () => {
  test('names the release of a newer module, and that alone', () => {
    const [before, after] = [texts(), texts('go 99.1.2')];
    const changed = [...before].filter(([path, text]) => after.get(path) !== text).map(([path]) => path);
    expect(changed).toEqual(expect.arrayContaining(['Dockerfile', 'README.md']));
    for (const path of changed) {
      expect(after.get(path)?.replaceAll('99.1', own)).toBe(before.get(path));
    }
    expect(after.get('Dockerfile')).toContain('FROM golang:99.1 AS');
    expect(after.get('README.md')).toContain('Go 99.1');
  });

  test('names no release in a way that could not follow', () => {
    // A newer module must leave the template's own release nowhere but in what Go itself keeps.
    const mention = new RegExp(`(?<![\\d.v])${own.replace('.', '\\.')}(?!\\d|\\.\\d+\\.)`);
    const left = [...texts('go 99.1')].filter(([path, text]) => !/^go\.(mod|sum)$/.test(path) && mention.test(text));
    expect(left.map(([path]) => path)).toEqual([]);
  });

  test.each(['go 1.21', `go ${own}`, 'go 99.1rc1', 'go 1.2.3.4'])('stays as it is for %j', (lines) => {
    expect(texts(lines)).toEqual(texts());
  });
});

test('the release belongs to the folder: a folder without a module has none', () => {
  const before = optionsFor('go 1.27');
  expect(before).toMatchObject({ modulePath: 'example.com/mine', goVersion: '1.27' });
  expect(fitToModule(before, undefined)).not.toHaveProperty('goVersion');
  expect(fitToModule(before, parseGoMod('module main\n')).modulePath).toBe('main');
});

test('a release candidate is older than its release', () => {
  expect(goModGap(goMod('go 1.26.0'), goMod('go 1.26rc2')).goVersion).toBe('1.26.0');
  expect(goModGap(goMod('go 1.26rc1'), goMod('go 1.26')).goVersion).toBeUndefined();
});
