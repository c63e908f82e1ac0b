import { open, rm } from 'node:fs/promises';
import type * as vscode from 'vscode';
import { FileExistsError, LeftBehindError } from './core/files.ts';
import { register } from './extension.ts';

/** Entry point of the Node extension host: desktop, SSH, containers. */
export function activate(context: vscode.ExtensionContext): void {
  register(context, { createLocalFile });
}

/** Creates a file on a local disk in one step that fails if it exists, which `workspace.fs` cannot do. */
export async function createLocalFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
  const handle = await open(uri.fsPath, 'wx').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? new FileExistsError(`${uri.fsPath} exists`, { cause: error }) : error;
  });
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
}
