/** A file system in memory that behaves as a remote or virtual one can: slow, full, or without permission. */
import * as vscode from 'vscode';

/** An operation of the file system. */
export type Operation = 'stat' | 'readDirectory' | 'createDirectory' | 'readFile' | 'writeFile' | 'delete';

/** Files in memory; a test looks into `files` and makes operations wait or fail. */
export class MemoryFileSystem implements vscode.FileSystemProvider {
  readonly #changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.#changed.event;
  /** Text by path; a folder has none. */
  readonly files = new Map<string, string | undefined>([['/', undefined]]);
  /** How often each operation was called. */
  readonly calls: Record<Operation, number> = {
    stat: 0,
    readDirectory: 0,
    createDirectory: 0,
    readFile: 0,
    writeFile: 0,
    delete: 0,
  };
  /** The most operations that were under way at once. */
  mostAtOnce = 0;
  #underWay = 0;
  /** Called before each operation takes effect; throws to make it fail. */
  before: (operation: Operation, path: string) => Promise<void> | void = () => undefined;

  /** Everything that stands here, to compare two moments. */
  snapshot(): [string, string | undefined][] {
    return [...this.files].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    return this.#run('stat', uri, (path) => {
      const text = this.#find(uri, path);
      const type = text === undefined ? vscode.FileType.Directory : vscode.FileType.File;
      return { type, ctime: 0, mtime: 0, size: text?.length ?? 0 };
    });
  }

  readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    return this.#run('readDirectory', uri, (path) => {
      this.#find(uri, path);
      return [...this.files]
        .filter(([other]) => other !== '/' && parentOf(other) === path)
        .map(([other, text]) => [
          other.slice(other.lastIndexOf('/') + 1),
          text === undefined ? vscode.FileType.Directory : vscode.FileType.File,
        ]);
    });
  }

  createDirectory(uri: vscode.Uri): Promise<void> {
    return this.#run('createDirectory', uri, (path) => {
      this.#find(uri, parentOf(path));
      this.files.set(path, undefined);
    });
  }

  readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return this.#run('readFile', uri, (path) => {
      const text = this.#find(uri, path);
      if (text === undefined) {
        throw vscode.FileSystemError.FileIsADirectory(uri);
      }
      return new TextEncoder().encode(text);
    });
  }

  writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    return this.#run('writeFile', uri, (path) => {
      this.#find(uri, parentOf(path));
      this.files.set(path, new TextDecoder().decode(content));
    });
  }

  delete(uri: vscode.Uri): Promise<void> {
    return this.#run('delete', uri, (path) => {
      this.#find(uri, path);
      this.files.delete(path);
    });
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  async #run<T>(operation: Operation, { path }: vscode.Uri, effect: (path: string) => T): Promise<T> {
    this.calls[operation]++;
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#underWay);
    try {
      await this.before(operation, path);
      return effect(path);
    } finally {
      this.#underWay--;
    }
  }

  #find(uri: vscode.Uri, path: string): string | undefined {
    if (!this.files.has(path)) {
      throw vscode.FileSystemError.FileNotFound(uri);
    }
    return this.files.get(path);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
