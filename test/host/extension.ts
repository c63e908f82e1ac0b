/** The extension under test, as VS Code sees it. */
import * as vscode from 'vscode';
import { ok } from './registry.ts';

/** The extension under test. */
export function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension('go-architect.go-architect');
  ok(found, 'the extension is not installed');
  return found;
}

/** The folder that the tests may write to. */
export function workspaceFolder(): vscode.Uri {
  const folder = vscode.workspace.workspaceFolders?.[0];
  ok(folder, 'no folder is open');
  return folder.uri;
}

/** Reads a text file. */
export async function readText(uri: vscode.Uri): Promise<string> {
  return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
}

/** Writes a text file. */
export async function writeText(uri: vscode.Uri, text: string): Promise<void> {
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text));
}
