import * as vscode from 'vscode';

/** A folder as the user knows it: the name of an open folder, the path below it, or the whole path. */
export function folderName(folder: vscode.Uri): string {
  const root = vscode.workspace.getWorkspaceFolder(folder);
  return root && root.uri.path.replace(/\/$/, '') === folder.path.replace(/\/$/, '')
    ? root.name
    : vscode.workspace.asRelativePath(folder);
}
