import { type GoMod, parseGoMod } from '../go/goMod.ts';
import { listed } from '../words.ts';

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
    const folder = folderOf(file);
    // The nearest go.mod above a file owns it.
    for (let owner = folder; ; owner = folderOf(owner)) {
      const module = byFolder.get(owner);
      if (module) {
        module.packages.add(folder === owner ? '.' : folder.slice(owner === '' ? 0 : owner.length + 1));
        break;
      }
      if (owner === '') {
        break;
      }
    }
  }
  return {
    partial,
    modules: modules.map((module) => ({ ...module, packages: [...module.packages].sort() })),
  };
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

const MAX_MODULES = 8;
const MAX_PACKAGES = 30;
const MAX_REQUIRES = 25;

/** Describes a workspace to a model or a reader in a few lines; empty if it holds no Go module. */
export function describeWorkspace(facts: WorkspaceFacts): string {
  const lines: string[] = [];
  for (const module of facts.modules.slice(0, MAX_MODULES)) {
    lines.push(
      `module ${module.path}${module.folder === '' ? '' : ` (folder ${module.folder})`}${module.goVersion === undefined ? '' : `, go ${module.goVersion}`}`,
      `  packages: ${listed(topLevel(module.packages), MAX_PACKAGES) || 'none yet'}`,
    );
    if (module.requires.length > 0) {
      lines.push(`  direct requirements: ${listed(module.requires, MAX_REQUIRES)}`);
    }
  }
  if (facts.modules.length > MAX_MODULES) {
    lines.push(`and ${facts.modules.length - MAX_MODULES} more modules`);
  }
  if (facts.partial && lines.length > 0) {
    lines.push('(a large workspace: only a part of its files was looked at)');
  }
  return lines.join('\n');
}

/** Shortens package folders to three levels, which is where Go services keep their architecture. */
function topLevel(packages: readonly string[]): string[] {
  return [...new Set(packages.map((path) => path.split('/').slice(0, 3).join('/')))];
}
