import { type Files, FileTooLargeError } from '../files.ts';
import { type GoMod, MAX_GO_MOD, parseGoMod } from '../go/goMod.ts';
import { existingPathProblem, modulePathProblem, serviceName } from '../go/modulePath.ts';
import { buildRelease } from '../go/version.ts';
import { ok, type Result, refused } from '../result.ts';
import { modulePathFromGit } from './gitRemote.ts';
import type { ScaffoldOptions } from './options.ts';

/**
 * The module whose go.mod stands in a folder; undefined if there is no go.mod. Refused is one that no service can stand
 * in, since its go.mod is never changed: one too large to read, one that names no module, or one that Go cannot build.
 */
export async function existingModule(root: Files, folder: string): Promise<Result<GoMod | undefined>> {
  const path = join(folder, 'go.mod');
  let text: string | undefined;
  try {
    text = await root.read(path, MAX_GO_MOD);
  } catch (error) {
    if (error instanceof FileTooLargeError) {
      return refused(`${error.message} Choose another folder.`);
    }
    throw error;
  }
  if (text === undefined) {
    return ok(undefined);
  }
  const module = parseGoMod(text);
  if (module === undefined) {
    return refused(
      `${path} names no module. Give it a line such as "module example.com/orders", or choose another folder.`,
    );
  }
  const problem = existingPathProblem(module.path);
  return problem === undefined
    ? ok(module)
    : refused(`Go cannot build the module that ${path} names. ${problem} Correct it, or choose another folder.`);
}

/** The options for a folder: where it is a module already, its path stays, and its Go release is named everywhere. */
export function fitToModule({ goVersion: _, ...options }: ScaffoldOptions, module: GoMod | undefined): ScaffoldOptions {
  if (module === undefined) {
    return options;
  }
  const goVersion = buildRelease(module);
  return { ...options, modulePath: module.path, ...(goVersion === undefined ? {} : { goVersion }) };
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
    const candidate = parent.ok && parent.value ? join(parent.value.path, below) : '';
    if (modulePathProblem(candidate) === undefined) {
      return candidate;
    }
    const fromGit = modulePathFromGit((await gitConfig(root, above)) ?? '', below);
    if (fromGit !== undefined) {
      return fromGit;
    }
  }
  return `example.com/${serviceName(parts.at(-1) ?? rootName)}`;
}

/** Text of a repository's configuration; undefined if there is none of an ordinary size. */
async function gitConfig(root: Files, folder: string): Promise<string | undefined> {
  try {
    return await root.read(join(folder, '.git/config'), MAX_GO_MOD);
  } catch (error) {
    if (error instanceof FileTooLargeError) {
      return undefined;
    }
    throw error;
  }
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
