import * as vscode from 'vscode';

/** In Restricted Mode nothing is written: says so, with the way out. @returns whether that is the case. */
export async function refuseInRestrictedMode(): Promise<boolean> {
  if (vscode.workspace.isTrusted) {
    return false;
  }
  const manage = 'Manage Workspace Trust';
  const choice = await vscode.window.showWarningMessage(
    'This workspace is in Restricted Mode, so Go Architect writes nothing into it. Trust the workspace, then try again.',
    manage,
  );
  if (choice === manage) {
    await vscode.commands.executeCommand('workbench.trust.manage');
  }
  return true;
}
