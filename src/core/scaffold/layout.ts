import type { Layout } from './options.ts';

// "pkg" is also a word and a folder of other modules: it counts with a slash behind it, or as the template's own import.
const PKG = ownFolder('(?:pkg(?=/)|(?<=example\\.com/shopfront/)pkg)');

/** Folders of the template -> where a layout puts them. */
const MOVES: Readonly<Record<Layout, readonly (readonly [RegExp, string])[]>> = {
  recommended: [],
  platform: [[PKG, 'internal/platform']],
  feature: [
    [ownFolder('internal/(domain|usecase|adapter)'), 'internal/ordering/$1'],
    [PKG, 'internal/platform'],
  ],
};

/** Matches a folder of the template's own, not one of the same name in another module's path ("franz-go/pkg/kgo"). */
function ownFolder(folder: string): RegExp {
  return new RegExp(`(?<=^|[^\\w./-]|\\*\\*/|\\./|example\\.com/shopfront/)${folder}(?![\\w-])`, 'gm');
}

/** Moves the folders that a path or a text names to where a layout puts them. */
export function relocate(text: string, layout: Layout): string {
  return MOVES[layout].reduce((moved, [folder, target]) => moved.replace(folder, target), text);
}

/**
 * Sorts the imports of a Go file within each group by path, as gofmt does: other paths have another order. A group with
 * a comment on a line of its own stays as it is.
 */
export function sortImports(source: string): string {
  return source.replace(/^import \(\n([\s\S]*?)^\)/m, (_, inner: string) => {
    const groups = inner.split(/\n\n/).map((group) => {
      const lines = group.split('\n').filter((line) => line !== '');
      return lines.every((line) => importPath(line) !== undefined)
        ? lines.sort((a, b) => ((importPath(a) ?? '') < (importPath(b) ?? '') ? -1 : 1)).join('\n')
        : lines.join('\n');
    });
    return `import (\n${groups.join('\n\n')}\n)`;
  });
}

function importPath(line: string): string | undefined {
  return /^\t(?:[\w.]+ )?"([^"]+)"/.exec(line)?.[1];
}
