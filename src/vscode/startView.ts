import * as vscode from 'vscode';

/**
 * The view that greets whoever opens Go Architect's side bar. Its text and buttons stand in the manifest (viewsWelcome),
 * which VS Code shows where a tree lists nothing.
 */
export function registerStartView(): vscode.Disposable {
  return vscode.window.registerTreeDataProvider<never>('goArchitect.start', {
    getChildren: () => [],
    getTreeItem: (element) => element,
  });
}
