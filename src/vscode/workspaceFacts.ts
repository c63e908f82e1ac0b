import * as vscode from 'vscode';
import { MAX_GO_MOD } from '../core/go/goMod.ts';
import { type WorkspaceFacts, workspaceFacts } from '../core/workspace/facts.ts';

const EXCLUDE = '{**/vendor/**,**/testdata/**,**/node_modules/**,**/.git/**}';
const EXCLUDED = /(^|\/)(vendor|testdata|node_modules|\.git)\//;
const MAX_MODULES = 1000;
const MAX_FILES = 10_000;

/** The Go files of a workspace by path, and the texts of its go.mod files. */
interface GoFiles {
  readonly goMods: Map<string, string>;
  readonly goFiles: Set<string>;
  readonly partial: boolean;
}

/** The facts of the workspace, read at the first question and kept true between questions by watching its files. */
export class WatchedWorkspace implements vscode.Disposable {
  #files: Promise<GoFiles> | undefined;
  #facts: Promise<WorkspaceFacts> | undefined;
  #watching: vscode.Disposable | undefined;

  /** What the workspace holds now, by file names and go.mod texts only. */
  facts(): Promise<WorkspaceFacts> {
    // Watched before it is read: what changes meanwhile is applied afterwards.
    this.#watching ??= this.#watch();
    this.#files ??= this.#read(scan());
    this.#facts ??= this.#files.then(factsOf);
    return this.#facts;
  }

  dispose(): void {
    this.#watching?.dispose();
  }

  #forget(): void {
    this.#files = undefined;
    this.#facts = undefined;
  }

  /** Lets the next question begin anew if a reading fails. */
  #read(files: Promise<GoFiles>): Promise<GoFiles> {
    files.catch(() => this.#forget());
    return files;
  }

  #watch(): vscode.Disposable {
    const all = vscode.workspace.createFileSystemWatcher('**', false, true, false);
    const goFiles = vscode.workspace.createFileSystemWatcher('**/*.go', false, true, false);
    const goMods = vscode.workspace.createFileSystemWatcher('**/go.mod');
    const read = async (uri: vscode.Uri) => {
      const text = await readGoMod(uri);
      this.#change(uri, ({ goMods: texts }, path) => (text === undefined ? texts.delete(path) : texts.set(path, text)));
    };
    return vscode.Disposable.from(
      all,
      goFiles,
      goMods,
      // A folder that is moved, or deleted outside the editor, is reported as one, without its files.
      all.onDidCreate((uri) => this.#folderCame(uri)),
      all.onDidDelete((uri) => this.#change(uri, removeBelow)),
      goFiles.onDidCreate((uri) => this.#change(uri, (files, path) => files.goFiles.add(path))),
      goFiles.onDidDelete((uri) => this.#change(uri, (files, path) => files.goFiles.delete(path))),
      goMods.onDidCreate(read),
      goMods.onDidChange(read),
      goMods.onDidDelete((uri) => this.#change(uri, (files, path) => files.goMods.delete(path))),
      vscode.workspace.onDidChangeWorkspaceFolders(() => this.#forget()),
    );
  }

  async #folderCame(uri: vscode.Uri): Promise<void> {
    if (/\.[^/]*$/.test(uri.path) || EXCLUDED.test(`${uri.path}/`)) {
      return;
    }
    try {
      const { type } = await vscode.workspace.fs.stat(uri);
      if (type & vscode.FileType.Directory) {
        this.#forget();
      }
    } catch {
      // Gone again.
    }
  }

  #change(uri: vscode.Uri, apply: (files: GoFiles, path: string) => void): void {
    const path = vscode.workspace.asRelativePath(uri);
    const files = this.#files;
    if (files === undefined || EXCLUDED.test(`${path}/`)) {
      return;
    }
    this.#files = this.#read(
      files.then((read) => {
        apply(read, path);
        return read;
      }),
    );
    this.#facts = undefined;
  }
}

/** Removes what a folder held. */
function removeBelow({ goMods, goFiles }: GoFiles, folder: string): void {
  for (const files of [goMods, goFiles]) {
    for (const path of files.keys()) {
      if (path.startsWith(`${folder}/`)) {
        files.delete(path);
      }
    }
  }
}

async function scan(): Promise<GoFiles> {
  const [goMods, goFiles] = await Promise.all([
    vscode.workspace.findFiles('**/go.mod', EXCLUDE, MAX_MODULES),
    vscode.workspace.findFiles('**/*.go', EXCLUDE, MAX_FILES),
  ]);
  const texts = await Promise.all(
    goMods.map(async (uri) => {
      const text = await readGoMod(uri);
      return text === undefined ? [] : [[vscode.workspace.asRelativePath(uri), text] as const];
    }),
  );
  return {
    goMods: new Map(texts.flat()),
    goFiles: new Set(goFiles.map((uri) => vscode.workspace.asRelativePath(uri))),
    partial: goFiles.length === MAX_FILES || goMods.length === MAX_MODULES,
  };
}

/** The text of a go.mod; undefined if it is gone, not readable or no go.mod by its size. */
async function readGoMod(uri: vscode.Uri): Promise<string | undefined> {
  try {
    const { size } = await vscode.workspace.fs.stat(uri);
    return size > MAX_GO_MOD ? undefined : new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    return undefined;
  }
}

function factsOf({ goMods, goFiles, partial }: GoFiles): WorkspaceFacts {
  return workspaceFacts(goMods, [...goFiles], partial);
}
