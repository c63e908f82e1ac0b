import type { Files } from '../files.ts';
import { parseGoMod } from '../workspace/goModule.ts';
import { isReservedOnWindows, modulePathFromGit, modulePathProblem, serviceName } from './modulePath.ts';

/** Says what is wrong with the path of a new folder below a workspace folder, or undefined if nothing is. */
export function folderPathProblem(path: string): string | undefined {
  if (path.trim() === '') {
    return 'Enter a folder, such as services/orders.';
  }
  if (/^([/\\]|[A-Za-z]:)/.test(path)) {
    return 'Enter a path below the workspace folder: it must not start with a slash or a drive.';
  }
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') {
      return 'The path must not hold empty parts, "." or "..".';
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
    if (/[\\:*?"<>|\u0000-\u001f]/.test(part) || /[. ]$/.test(part) || part.startsWith(' ')) {
      return `"${part}" is not a folder name that works everywhere: leave out \\ : * ? " < > | and dots or spaces at the end.`;
    }
    if (isReservedOnWindows(part)) {
      return `"${part}" is a reserved file name on Windows.`;
    }
    if (part.toLowerCase() === '.git') {
      return '".git" belongs to Git.';
    }
  }
  return undefined;
}

/** The module of the go.mod in a folder, or undefined if there is none. */
export async function existingModulePath(root: Files, folder: string): Promise<string | undefined> {
  const text = await root.read(join(folder, 'go.mod'));
  return text === undefined ? undefined : parseGoMod(text)?.path;
}

/**
 * Suggests a module path for a folder: below the nearest module above it, else from the Git remote of the nearest
 * repository, else `example.com/<folder>`.
 * @param root the workspace folder.
 * @param folder path of the target below it; empty for the workspace folder itself.
 * @param rootName name of the workspace folder.
 */
export async function suggestModulePath(root: Files, folder: string, rootName: string): Promise<string> {
  const parts = folder === '' ? [] : folder.split('/');
  for (let depth = parts.length; depth >= 0; depth--) {
    const above = parts.slice(0, depth).join('/');
    const below = parts.slice(depth).join('/');
    const parent = await existingModulePath(root, above);
    const candidate = parent === undefined ? undefined : join(parent, below);
    if (candidate !== undefined && modulePathProblem(candidate) === undefined) {
      return candidate;
    }
    const gitConfig = await root.read(join(above, '.git/config'));
    const fromGit = gitConfig === undefined ? undefined : modulePathFromGit(gitConfig, below);
    if (fromGit !== undefined) {
      return fromGit;
    }
  }
  return `example.com/${serviceName(parts.at(-1) ?? rootName)}`;
}

function join(...parts: string[]): string {
  return parts.filter((part) => part !== '').join('/');
}
