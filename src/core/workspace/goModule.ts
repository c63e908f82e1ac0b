import { listed } from '../words.ts';

/** What a go.mod file says, as far as it is of use here. */
export interface GoMod {
  readonly path: string;
  /** The `go` directive, such as "1.26.0"; undefined if there is none. */
  readonly goVersion: string | undefined;
  /** The `toolchain` directive, such as "go1.26.8"; undefined if there is none. */
  readonly toolchain: string | undefined;
  /** Direct requirements as "path version". */
  readonly requires: readonly string[];
}

/**
 * Reads a go.mod file leniently (https://go.dev/ref/mod#go-mod-file): unknown directives are passed over.
 * @returns undefined if the file has no module directive.
 */
export function parseGoMod(text: string): GoMod | undefined {
  let path: string | undefined;
  let goVersion: string | undefined;
  let toolchain: string | undefined;
  const requires: string[] = [];
  let block: string | undefined;
  for (const raw of text.split(/\r?\n/)) {
    const indirect = /\/\/\s*indirect\b/.test(raw);
    const words = raw
      .replace(/\/\/.*$/, '')
      .trim()
      .split(/\s+/)
      .map(unquote);
    if (block !== undefined && words[0] === ')') {
      block = undefined;
      continue;
    }
    if (words[1] === '(') {
      block = words[0];
      continue;
    }
    const [directive, first, second] = block === undefined ? words : [block, ...words];
    if (directive === 'module' && first) {
      path ??= first;
    } else if (directive === 'go' && first) {
      goVersion ??= first;
    } else if (directive === 'toolchain' && first) {
      toolchain ??= first;
    } else if (directive === 'require' && first && second && !indirect) {
      requires.push(`${first} ${second}`);
    }
  }
  return path === undefined ? undefined : { path, goVersion, toolchain, requires };
}

function unquote(word: string): string {
  return word.replace(/^(["`])(.*)\1$/, '$2');
}

/** What a go.mod that is left alone lacks for code that comes with another go.mod. */
export interface GoModGap {
  /** Direct requirements that it does not have, as "path version". */
  readonly requirements: readonly string[];
  /** The Go version that the code needs, if its own is older. */
  readonly goVersion: string | undefined;
}

/** Compares the go.mod that code comes with to the one that is there. */
export function goModGap(wanted: string, present: string): GoModGap {
  const [needs, has] = [parseGoMod(wanted), parseGoMod(present)];
  const have = new Set(has?.requires.map((line) => line.split(' ')[0]));
  // Without a go line a module is at 1.16 (https://go.dev/ref/mod#go-mod-file-go).
  const older = needs?.goVersion !== undefined && isOlder(has?.goVersion ?? '1.16', needs.goVersion);
  return {
    requirements: (needs?.requires ?? []).filter((line) => !have.has(line.split(' ')[0])),
    goVersion: older ? needs?.goVersion : undefined,
  };
}

/**
 * The Go release that a module is built with, such as "1.27": that of its go line, or of its toolchain line if that is
 * newer (https://go.dev/doc/toolchain). Undefined if neither names a release.
 */
export function buildRelease({ goVersion = '', toolchain = '' }: GoMod): string | undefined {
  const releases = [goVersion, toolchain.replace(/^go/, '')].flatMap(
    (version) => /^(\d{1,3}\.\d{1,3})(?:\.\d+)?(?:-.*)?$/.exec(version)?.[1] ?? [],
  );
  return releases.reduce<string | undefined>(
    (newest, release) => (newest === undefined || isOlder(newest, release) ? release : newest),
    undefined,
  );
}

/** Compares Go versions; a release candidate or beta is older than its release. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => {
    const [, major, minor, patch, pre] = /^(\d+)\.(\d+)(?:\.(\d+))?(rc|beta)?/.exec(text) ?? [];
    return [Number(major ?? 0), Number(minor ?? 0), pre === undefined ? Number(patch ?? 0) : -1];
  });
  const difference = a?.map((number, index) => number - (b?.[index] ?? 0)).find((by) => by !== 0) ?? 0;
  return difference < 0;
}

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
