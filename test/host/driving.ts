/** Answers what a command asks, as a user does who takes every default. */
import * as vscode from 'vscode';
import { eventually, ok } from './registry.ts';

/** Accepts what the command asks, or runs a command of a view, until the condition holds; then lets the command end. */
export async function whileAccepting(
  command: Thenable<unknown>,
  done: () => boolean | Promise<boolean>,
  viewCommand?: string,
): Promise<void> {
  let ended = false;
  const ending = Promise.resolve(command).then(() => {
    ended = true;
  });
  await eventually(async () => {
    if (!(await done())) {
      await accept(viewCommand);
    }
    ok(await done(), 'the command has done its work');
  }, 20_000);
  // A command that ends with a message waits until that is closed.
  await eventually(async () => {
    await vscode.commands.executeCommand('notifications.clearAll');
    ok(ended, 'the command has ended');
  });
  await ending;
}

/** Runs a command to its end and returns what it returns; accepts what it asks, and closes its messages. */
export async function runToEnd<T>(command: Thenable<T>, answer: () => Promise<void> = accept): Promise<T> {
  let ended = false;
  const ending = Promise.resolve(command).finally(() => {
    ended = true;
  });
  await eventually(async () => {
    if (!ended) {
      await answer();
      await vscode.commands.executeCommand('notifications.clearAll');
    }
    ok(ended, 'the command has ended');
  }, 20_000);
  return ending;
}

/** Takes the default of what is asked, and creates what the preview shows. */
export async function accept(viewCommand = 'goArchitect.scaffoldPreview.create'): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem');
  await vscode.commands.executeCommand(viewCommand);
}

/** Invokes the scaffold tool as a model does, without the question to the user. */
export async function invokeTool(input: object): Promise<string> {
  const approval = vscode.workspace.getConfiguration('chat.tools.global');
  // VS Code's own tests pass over the warning of this setting so.
  await vscode.commands.executeCommand('setContext', 'vscode.chat.tools.global.autoApprove.testMode', true);
  await approval.update('autoApprove', true, vscode.ConfigurationTarget.Global);
  try {
    const result = await vscode.lm.invokeTool('goArchitect_scaffoldService', { input, toolInvocationToken: undefined });
    return result.content.map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join('');
  } finally {
    await approval.update('autoApprove', undefined, vscode.ConfigurationTarget.Global);
  }
}

/** Whether anything stands at a URI. */
export async function exists(uri: vscode.Uri): Promise<boolean> {
  try {
    await vscode.workspace.fs.stat(uri);
    return true;
  } catch {
    return false;
  }
}
