import * as vscode from 'vscode';
import { FileExistsError, type FileKind, type Files, FileTooLargeError, LeftBehindError } from '../core/files.ts';

/** Creates files and folders on a local disk, as `Files` says. */
export interface LocalDisk {
  createFile(uri: vscode.Uri, content: Uint8Array): Promise<void>;
  createFolder(uri: vscode.Uri): Promise<void>;
}

/** What only one of the two extension hosts can do. */
export interface Platform {
  /** Absent in the browser. */
  readonly localDisk?: LocalDisk;
}

/** The files below a folder of any file system that VS Code knows: local, remote or virtual. */
export class FolderFiles implements Files {
  readonly #root: vscode.Uri;
  readonly #platform: Platform;

  constructor(root: vscode.Uri, platform: Platform) {
    this.#root = root;
    this.#platform = platform;
  }

  async kind(path: string): Promise<FileKind | undefined> {
    const stat = await orUndefined(vscode.workspace.fs.stat(this.#uri(path)));
    if (stat === undefined) {
      return undefined;
    }
    // The chosen folder itself may be a link: the user chose it. Below it, a link could lead out.
    if (path !== '' && stat.type & vscode.FileType.SymbolicLink) {
      return 'link';
    }
    if (stat.type & vscode.FileType.Directory) {
      return 'folder';
    }
    return stat.type & vscode.FileType.File ? 'file' : 'other';
  }

  async read(path: string, most?: number): Promise<string | undefined> {
    if (most !== undefined) {
      const stat = await orUndefined(vscode.workspace.fs.stat(this.#uri(path)));
      if (stat && stat.size > most) {
        throw new FileTooLargeError(path, most);
      }
    }
    const bytes = await orUndefined(vscode.workspace.fs.readFile(this.#uri(path)));
    return bytes && DECODER.decode(bytes);
  }

  async create(path: string, text: string): Promise<void> {
    const uri = this.#uri(path);
    const content = new TextEncoder().encode(text);
    if (uri.scheme === 'file' && this.#platform.localDisk) {
      await this.#platform.localDisk.createFile(uri, content).catch((error: unknown) => {
        throw error instanceof LeftBehindError ? new LeftBehindError(path, error.cause) : error;
      });
      return;
    }
    await this.#refuseExisting(path);
    await orClean(
      path,
      () => vscode.workspace.fs.writeFile(uri, content),
      async () => {
        const part = await orUndefined(vscode.workspace.fs.readFile(uri));
        // A full disk or a broken connection leaves a beginning of the file; anything else is somebody else's.
        if (part?.every((byte, index) => byte === content[index])) {
          await vscode.workspace.fs.delete(uri);
        }
      },
    );
  }

  async createFolder(path: string): Promise<void> {
    const uri = this.#uri(path);
    if (uri.scheme === 'file' && this.#platform.localDisk) {
      await this.#platform.localDisk.createFolder(uri);
      return;
    }
    await this.#refuseExisting(path);
    await orClean(
      path,
      () => vscode.workspace.fs.createDirectory(uri),
      async () => {
        if ((await this.kind(path)) === 'folder') {
          await this.removeFolderIfEmpty(path);
        }
      },
    );
  }

  async remove(path: string): Promise<void> {
    await vscode.workspace.fs.delete(this.#uri(path));
  }

  async removeFolderIfEmpty(path: string): Promise<boolean> {
    const uri = this.#uri(path);
    if ((await vscode.workspace.fs.readDirectory(uri)).length > 0) {
      return false;
    }
    await vscode.workspace.fs.delete(uri, { recursive: false });
    return true;
  }

  async #refuseExisting(path: string): Promise<void> {
    if ((await this.kind(path)) !== undefined) {
      throw new FileExistsError(`${path} exists`);
    }
  }

  #uri(path: string): vscode.Uri {
    return path === '' ? this.#root : vscode.Uri.joinPath(this.#root, ...path.split('/'));
  }
}

// A byte order mark is a change like any other.
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

/** Writes; after a fault removes what it may have left, where nothing stood before. */
async function orClean(path: string, write: () => Thenable<void>, clean: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    try {
      await clean();
    } catch {
      throw new LeftBehindError(path, error);
    }
    // The message of this one is often no more than the URI.
    throw error instanceof vscode.FileSystemError && error.code === 'NoPermissions'
      ? new Error(`no permission to write ${path || 'the folder'}`, { cause: error })
      : error;
  }
}

/** Nothing stands there; every other fault (no permission, no connection) is thrown. */
async function orUndefined<T>(operation: Thenable<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    const code = error instanceof vscode.FileSystemError ? error.code : '';
    if (code === 'FileNotFound' || code === 'FileNotADirectory' || code === 'FileIsADirectory') {
      return undefined;
    }
    throw error;
  }
}
