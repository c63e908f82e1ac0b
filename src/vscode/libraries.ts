import * as vscode from 'vscode';
import type { Pattern } from '../core/catalogue/catalogue.ts';
import { parseGoMod } from '../core/go/goMod.ts';

/** Offers to add the libraries of a pattern that the module of a file does not require yet. */
export async function offerLibraries(pattern: Pattern, file: vscode.Uri): Promise<void> {
  const module = await moduleOf(file);
  const required = new Set(module?.requires.map((line) => line.split(' ')[0]));
  const missing = pattern.libraries.filter((library) => !required.has(library.split(' ')[0] ?? ''));
  if (missing.length === 0) {
    return;
  }
  const command = `go get ${missing.map((library) => library.replace(' ', '@')).join(' ')}`;
  const canRun = module !== undefined && module.folder.scheme === 'file' && vscode.workspace.isTrusted;
  const run = 'Run in Terminal';
  const copy = 'Copy Command';
  const choice = await vscode.window.showInformationMessage(
    `${pattern.title} needs ${missing.join(', ')}: ${command}`,
    ...(canRun ? [run] : []),
    copy,
  );
  if (choice === run && module) {
    const terminal = vscode.window.createTerminal({ name: 'go get', cwd: module.folder });
    terminal.show();
    terminal.sendText(command);
  } else if (choice === copy) {
    await vscode.env.clipboard.writeText(command);
  }
}

/** The nearest go.mod above a file, within its workspace folder. */
async function moduleOf(file: vscode.Uri): Promise<{ folder: vscode.Uri; requires: readonly string[] } | undefined> {
  const root = vscode.workspace.getWorkspaceFolder(file)?.uri;
  for (let folder = vscode.Uri.joinPath(file, '..'); ; folder = vscode.Uri.joinPath(folder, '..')) {
    try {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder, 'go.mod'));
      return { folder, requires: parseGoMod(new TextDecoder().decode(bytes))?.requires ?? [] };
    } catch {
      // no go.mod here: look one folder up
    }
    if (root === undefined || folder.path === root.path || folder.path === '/' || folder.path === '') {
      return undefined;
    }
  }
}
