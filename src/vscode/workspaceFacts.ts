import * as vscode from 'vscode';
import { type WorkspaceFacts, workspaceFacts } from '../core/workspace/facts.ts';

const EXCLUDE = '{**/vendor/**,**/testdata/**,**/node_modules/**,**/.git/**}';
const MAX_MODULES = 50;
const MAX_FILES = 5000;

/** Finds the Go modules of the workspace and their packages, by file names and go.mod texts only. */
export async function readWorkspaceFacts(token: vscode.CancellationToken): Promise<WorkspaceFacts> {
  const [goMods, goFiles] = await Promise.all([
    vscode.workspace.findFiles('**/go.mod', EXCLUDE, MAX_MODULES, token),
    vscode.workspace.findFiles('**/*.go', EXCLUDE, MAX_FILES, token),
  ]);
  const texts = await Promise.all(
    goMods.map(async (uri) => {
      try {
        const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
        return [[vscode.workspace.asRelativePath(uri), text] as const];
      } catch {
        return []; // deleted, or not readable, since it was found: it is then no module of ours
      }
    }),
  );
  const paths = goFiles.map((uri) => vscode.workspace.asRelativePath(uri));
  return workspaceFacts(new Map(texts.flat()), paths, goFiles.length === MAX_FILES);
}
