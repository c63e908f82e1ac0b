import { mkdir, open, rm } from 'node:fs/promises';
import type * as vscode from 'vscode';
import { FileExistsError, LeftBehindError } from './core/files.ts';
import { register } from './extension.ts';
import type { LocalDisk } from './vscode/folderFiles.ts';

/** Entry point of the Node extension host: desktop, SSH, containers. */
export function activate(context: vscode.ExtensionContext): void {
  register(context, { localDisk });
}

/** Creates in one step that fails if anything stands there, which `workspace.fs` cannot do, and is faster. */
export const localDisk: LocalDisk = {
  async createFile(uri, content) {
    const handle = await open(uri.fsPath, 'wx').catch(refuseExisting);
    try {
      try {
        await handle.writeFile(content);
      } finally {
        await handle.close();
      }
    } catch (error) {
      // A full disk leaves a part of the file behind; it is ours, since the open was exclusive.
      await rm(uri.fsPath, { force: true }).catch(() => {
        throw new LeftBehindError(uri.fsPath, error);
      });
      throw error;
    }
  },
  async createFolder(uri) {
    await mkdir(uri.fsPath).catch(refuseExisting);
  },
};

function refuseExisting(error: NodeJS.ErrnoException): never {
  throw error.code === 'EEXIST' ? new FileExistsError(`${error.path} exists`, { cause: error }) : error;
}
