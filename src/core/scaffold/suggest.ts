import type { Files } from '../files.ts';
import { type GoMod, parseGoMod } from '../go/goMod.ts';
import { isReservedOnWindows, modulePathProblem, serviceName } from '../go/modulePath.ts';
import { buildRelease } from '../go/version.ts';
import { modulePathFromGit } from './gitRemote.ts';
import type { ScaffoldOptions } from './options.ts';

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
    // Control and invisible characters: macOS passes over some of them, so that ".git" can hide behind one.
    if (/[\\:*?"<>|\p{Cc}\p{Cf}\p{Cs}]/u.test(part) || /[. ]$/.test(part) || part.startsWith(' ')) {
      return `"${part}" is not a folder name that works everywhere: leave out \\ : * ? " < > |, invisible characters, and dots or spaces at the end.`;
    }
    if (isReservedOnWindows(part)) {
      return `"${part}" is a reserved file name on Windows.`;
    }
    // "git~1" is its short name on Windows.
    if (/^(\.git|git~\d+)$/i.test(part)) {
      return `"${part}" belongs to Git.`;
    }
  }
  return undefined;
}

/** The go.mod in a folder, or undefined if there is none. */
export async function existingModule(root: Files, folder: string): Promise<GoMod | undefined> {
  const text = await root.read(join(folder, 'go.mod'));
  return text === undefined ? undefined : parseGoMod(text);
}

/** The options for a folder: where it is a module already, its path stays, and its Go release is named everywhere. */
export function fitToModule({ goVersion: _, ...options }: ScaffoldOptions, module: GoMod | undefined): ScaffoldOptions {
  if (module === undefined) {
    return options;
  }
  const goVersion = buildRelease(module);
  return {
    ...options,
    ...(modulePathProblem(module.path) === undefined ? { modulePath: module.path } : {}),
    ...(goVersion === undefined ? {} : { goVersion }),
  };
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
    const parent = await existingModule(root, above);
    const candidate = parent && join(parent.path, below);
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

/**
 * The module path for a service of a name that has no folder yet: below the module of the workspace folder, else beside
 * what is suggested for the folder itself.
 */
export function modulePathNamed(name: string, suggested: string, isModule: boolean): string {
  return join(isModule ? suggested : suggested.split('/').slice(0, -1).join('/'), name);
}

function join(...parts: string[]): string {
  return parts.filter((part) => part !== '').join('/');
}
