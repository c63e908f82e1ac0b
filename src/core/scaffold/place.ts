import { publishedPathProblem } from '../go/modulePath.ts';
import { folderPathProblem } from './folder.ts';
import { MAX_LENGTH } from './request.ts';

/** A folder of the workspace: which of the open folders, and the path below it; empty for that folder itself. */
export interface Place {
  readonly root: number;
  readonly path: string;
}

/**
 * The open folder that a tool's input names, or what is wrong with it, for the model that sent it.
 * @param names of the open folders.
 */
export function chooseRoot(names: readonly string[], wanted: unknown): number | string {
  if (names.length === 0) {
    return 'No folder is open. Ask the user to open one.';
  }
  if (wanted === undefined || wanted === '') {
    return names.length === 1
      ? 0
      : `workspaceFolder: several folders are open. Name one of them: ${names.join(', ')}. Ask the user if it is not clear which.`;
  }
  const [first, ...others] = names.flatMap((name, index) => (name === wanted ? [index] : []));
  if (first === undefined) {
    return `workspaceFolder: no open folder has that name. Name one of them: ${names.join(', ')}.`;
  }
  return others.length === 0
    ? first
    : `workspaceFolder: several open folders are called ${names[first]}. Ask the user to rename one in the workspace file.`;
}

/**
 * The folder that a sentence names, such as "in services/orders"; undefined where it leaves that open. Where several
 * folders are open, it has to begin with the name of one.
 * @param names of the open folders.
 */
export function placeIn(sentence: string, names: readonly string[]): Place | undefined {
  const after =
    /\b(in|into|under|below|folder|directory)\s+(?:the\s+)?(?!(?:folder|directory)\s)["'`]?(?:\.\/)?([^\s"'`,;()<>]+)/gi;
  for (const [, before = '', word = ''] of sentence.slice(0, MAX_LENGTH).matchAll(after)) {
    const path = word.replace(/[.:!?]+$/, '').replace(/\/$/, '');
    if (folderPathProblem(path) !== undefined || publishedPathProblem(path) === undefined) {
      continue;
    }
    if (names.length > 1) {
      const [name, ...below] = path.split('/');
      const root = chooseRoot(names, name);
      if (typeof root === 'number') {
        return { root, path: below.join('/') };
      }
    } else if (names.length === 1 && isFolder(before, word) && !path.startsWith('internal/')) {
      return { root: 0, path };
    }
  }
  return undefined;
}

/** "in Go" names no folder; "in services/orders", "in orders/" and "folder orders" do. */
function isFolder(before: string, word: string): boolean {
  return word.includes('/') || /^(folder|directory)$/i.test(before);
}
