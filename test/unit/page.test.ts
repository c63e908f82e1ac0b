import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BORDER } from '../../scripts/generate.ts';
import { packagesOf } from '../../scripts/notices.ts';
import { pageReadme } from '../../scripts/pageReadme.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

describe('the extension’s page', () => {
  test('shows no picture and no link that it cannot load', () => {
    const page = pageReadme(readFileSync('README.md', 'utf8'));
    expect(page).not.toContain('](media/');
    expect([...page.matchAll(/\]\((?!https:|#)[^)]*\)/g)]).toEqual([]);
    expect(page).toContain('| `/design` |');
    expect(page).toContain('CONTRIBUTING.md says how');
  });

  test('keeps what has an address', () => {
    const text = 'See [Go](https://go.dev), [below](#x) and [the licence](LICENSE).\n\n![p](https://x/y.png)\n';
    expect(pageReadme(text)).toBe('See [Go](https://go.dev), [below](#x) and the licence.\n\n![p](https://x/y.png)\n');
    expect(pageReadme('a\n\n![p](media/p.png)\n\nb\n')).toBe('a\n\nb\n');
  });
});

describe('the walkthrough', () => {
  const [walkthrough] = manifest.contributes.walkthroughs;
  const commands = new Set(manifest.contributes.commands.map(({ command }: { command: string }) => command));

  test('has five steps, each with a picture that says what it shows', () => {
    expect(walkthrough.steps).toHaveLength(5);
    for (const { media, description } of walkthrough.steps) {
      expect(description).not.toContain('`'); // shown as it stands
      expect(existsSync(media.svg), media.svg).toBe(true);
      expect(readFileSync(media.svg, 'utf8')).toContain(`<title>${media.altText}</title>`);
    }
  });

  test('and the view that greets lead to commands that exist, with arguments that can be read', () => {
    const texts = [...walkthrough.steps, ...manifest.contributes.viewsWelcome].map(
      ({ description, contents }) => description ?? contents,
    );
    const links = texts.flatMap((text: string) => [...text.matchAll(/\(command:([\w.]+)(?:\?([^)]*))?\)/g)]);
    expect(links.length).toBeGreaterThan(7);
    for (const [, command = '', args] of links) {
      expect(command.startsWith('workbench.action.') || commands.has(command), command).toBe(true);
      expect(args === undefined || JSON.parse(decodeURIComponent(args))).toBeTruthy();
    }
    expect(texts.join()).toContain(encodeURIComponent(`${manifest.publisher}.${manifest.name}#${walkthrough.id}`));
  });
});

test('the border in package.json is the one that the generator draws', () => {
  expect(manifest['//']).toEqual(BORDER);
});

test('bundled files are counted to the package that is innermost', () => {
  const files = ['src/a.ts', 'node_modules/b/i.js', 'node_modules/@c/d/i.js', 'node_modules/b/node_modules/e/i.js'];
  expect(packagesOf(files)).toEqual(['@c/d', 'b', 'e']);
});
