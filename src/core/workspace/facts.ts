import { type GoMod, parseGoMod } from '../go/goMod.ts';
import { count, listed, plainName } from '../words.ts';
import { isIgnored } from './ignored.ts';

/** A Go module of the workspace. */
export interface WorkspaceModule extends GoMod {
  /** Folder of its go.mod from the workspace's root, with forward slashes; empty for the root itself. */
  readonly folder: string;
  /** Folders of its packages from the module's root; "." is the root package. */
  readonly packages: readonly string[];
}

/** The Go modules of a workspace with their packages. */
export interface WorkspaceFacts {
  readonly modules: readonly WorkspaceModule[];
  /** True if the workspace holds more Go files than were looked at. */
  readonly partial: boolean;
}

/**
 * Sorts Go files into the modules that hold them.
 * @param goMods path of each go.mod from the workspace's root -> its text.
 * @param goFiles paths of Go files from the workspace's root.
 */
export function workspaceFacts(
  goMods: ReadonlyMap<string, string>,
  goFiles: readonly string[],
  partial: boolean,
): WorkspaceFacts {
  const modules = [...goMods]
    .flatMap(([path, text]) => {
      const goMod = parseGoMod(text);
      return goMod ? [{ ...goMod, folder: folderOf(path), packages: new Set<string>() }] : [];
    })
    .sort((a, b) => a.folder.localeCompare(b.folder));
  const byFolder = new Map(modules.map((module) => [module.folder, module]));
  for (const file of goFiles) {
    const module = ownerOf(file, byFolder);
    if (module) {
      const folder = folderOf(file);
      const path = folder === module.folder ? '.' : folder.slice(module.folder === '' ? 0 : module.folder.length + 1);
      if (!isIgnored(path, module.ignores)) {
        module.packages.add(path);
      }
    }
  }
  return {
    partial,
    modules: modules.map((module) => ({ ...module, packages: [...module.packages].sort() })),
  };
}

/** The module that owns a file: that of the nearest go.mod above it. */
function ownerOf<T>(file: string, byFolder: ReadonlyMap<string, T>): T | undefined {
  for (let folder = folderOf(file); ; folder = folderOf(folder)) {
    const module = byFolder.get(folder);
    if (module !== undefined || folder === '') {
      return module;
    }
  }
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

const MAX_MODULES = 8;
const MAX_PACKAGES = 30;
const MAX_REQUIRES = 25;

/** What a question is about. */
export interface Focus {
  /** Paths from the workspace's root, nearest first: the active editor's, those attached. */
  readonly near: readonly string[];
  readonly question: string;
}

/** Describes a workspace to a model in a few lines, the modules first that a question is about; empty if it has none. */
export function describeWorkspace(facts: WorkspaceFacts, focus: Focus = { near: [], question: '' }): string {
  const modules = nearestFirst(facts.modules, focus);
  const lines: string[] = [];
  for (const module of modules.slice(0, MAX_MODULES)) {
    const folder = module.folder === '' ? '' : ` (folder ${plainName(module.folder)})`;
    const version = module.goVersion === undefined ? '' : `, go ${plainName(module.goVersion)}`;
    lines.push(
      `module ${plainName(module.path)}${folder}${version}`,
      `  packages: ${listed(topLevel(module.packages), MAX_PACKAGES) || 'none yet'}`,
    );
    if (module.requires.length > 0) {
      lines.push(`  direct requirements: ${listed(module.requires.map(plainName), MAX_REQUIRES)}`);
    }
  }
  if (modules.length > MAX_MODULES) {
    lines.push(`and ${count(modules.length - MAX_MODULES, 'more module')}`);
  }
  if (facts.partial && lines.length > 0) {
    lines.push('(a large workspace: only a part of its files was looked at)');
  }
  return lines.join('\n');
}

/** The modules that hold the near paths, then those that the question names, then the others as they stand. */
function nearestFirst(modules: readonly WorkspaceModule[], { near, question }: Focus): WorkspaceModule[] {
  const byFolder = new Map(modules.map((module) => [module.folder, module]));
  const holding = near.flatMap((path) => ownerOf(path, byFolder) ?? []);
  const words = new Set(
    question
      .slice(0, 20_000)
      .toLowerCase()
      .match(/[\p{L}\p{N}_./-]+/gu),
  );
  const named = modules.filter(({ path, folder }) =>
    [path, folder, path.split('/').at(-1), folder.split('/').at(-1)].some(
      (name) => name !== undefined && name !== '' && words.has(name.toLowerCase()),
    ),
  );
  return [...new Set([...holding, ...named, ...modules])];
}

/** Shortens package folders to three levels, which is where Go services keep their architecture. */
function topLevel(packages: readonly string[]): string[] {
  return [...new Set(packages.map((path) => plainName(path.split('/').slice(0, 3).join('/'))))];
}
