import * as vscode from 'vscode';
import { type WorkspaceFacts, workspaceFacts } from '../core/workspace/facts.ts';

const EXCLUDE = '{**/vendor/**,**/testdata/**,**/node_modules/**,**/.git/**}';
const EXCLUDED = /(^|\/)(vendor|testdata|node_modules|\.git)\//;
const MAX_MODULES = 1000;
const MAX_FILES = 10_000;
// What go.mod files have is a few kilobytes.
const MAX_GO_MOD = 1024 * 1024;

/** The Go files of a workspace by path, and the texts of its go.mod files. */
interface GoFiles {
  readonly goMods: Map<string, string>;
  readonly goFiles: Set<string>;
  readonly partial: boolean;
}

/** Finds the Go modules of the workspace and their packages, by file names and go.mod texts only. */
export async function readWorkspaceFacts(token: vscode.CancellationToken): Promise<WorkspaceFacts> {
  return factsOf(await scan(token));
}

/** The facts of the workspace, read at the first question and kept true between questions by watching its files. */
export class WatchedWorkspace implements vscode.Disposable {
  #files: Promise<GoFiles> | undefined;
  #facts: Promise<WorkspaceFacts> | undefined;
  #watching: vscode.Disposable | undefined;

  /** What the workspace holds now. A cancelled first question leaves nothing half-read behind. */
  async facts(token: vscode.CancellationToken): Promise<WorkspaceFacts> {
    // Watched before it is read: what changes meanwhile is applied afterwards.
    this.#watching ??= this.#watch();
    const files = (this.#files ??= scan(token));
    this.#facts ??= files.then(factsOf);
    const facts = this.#facts;
    try {
      return await facts;
    } finally {
      if (token.isCancellationRequested && this.#files === files) {
        this.#forget();
      }
    }
  }

  dispose(): void {
    this.#watching?.dispose();
  }

  #forget(): void {
    this.#files = undefined;
    this.#facts = undefined;
  }

  #watch(): vscode.Disposable {
    const goFiles = vscode.workspace.createFileSystemWatcher('**/*.go', false, true, false);
    const goMods = vscode.workspace.createFileSystemWatcher('**/go.mod');
    const read = async (uri: vscode.Uri) => {
      const text = await readGoMod(uri);
      this.#change(uri, ({ goMods: texts }, path) => (text === undefined ? texts.delete(path) : texts.set(path, text)));
    };
    return vscode.Disposable.from(
      goFiles,
      goMods,
      goFiles.onDidCreate((uri) => this.#change(uri, (files, path) => files.goFiles.add(path))),
      goFiles.onDidDelete((uri) => this.#change(uri, (files, path) => files.goFiles.delete(path))),
      goMods.onDidCreate(read),
      goMods.onDidChange(read),
      goMods.onDidDelete((uri) => this.#change(uri, (files, path) => files.goMods.delete(path))),
      vscode.workspace.onDidChangeWorkspaceFolders(() => this.#forget()),
      // A folder that is moved or deleted as one is reported as one.
      vscode.workspace.onDidDeleteFiles(() => this.#forget()),
      vscode.workspace.onDidRenameFiles(() => this.#forget()),
    );
  }

  #change(uri: vscode.Uri, apply: (files: GoFiles, path: string) => void): void {
    const path = vscode.workspace.asRelativePath(uri);
    const files = this.#files;
    if (files === undefined || EXCLUDED.test(`${path}/`)) {
      return;
    }
    this.#files = files.then((read) => {
      apply(read, path);
      return read;
    });
    this.#facts = undefined;
    this.#files.catch(() => this.#forget());
  }
}

async function scan(token: vscode.CancellationToken): Promise<GoFiles> {
  const [goMods, goFiles] = await Promise.all([
    vscode.workspace.findFiles('**/go.mod', EXCLUDE, MAX_MODULES, token),
    vscode.workspace.findFiles('**/*.go', EXCLUDE, MAX_FILES, token),
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
