/** With several folders open: the tool has to be told which, and a sentence in chat can say it. */
import * as vscode from 'vscode';
import { ask, lastAnswer, newChat } from '../chatView.ts';
import { exists, invokeTool, runToEnd } from '../driving.ts';
import { contains, equal, eventually, ok, test } from '../registry.ts';

/** Runs the tests below; the contract of VS Code. */
export { runSuite as run } from '../wire.ts';

function folder(name: string): vscode.Uri {
  const found = vscode.workspace.workspaceFolders?.find((other) => other.name === name);
  ok(found, `the folder ${name} is open`);
  return found.uri;
}

/** The names of what stands in each open folder. */
async function contents(): Promise<string[][]> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return Promise.all(
    folders.map(async ({ uri }) => (await vscode.workspace.fs.readDirectory(uri)).map(([name]) => name).sort()),
  );
}

test('three folders are open, and both models are offered', async () => {
  equal(vscode.workspace.workspaceFolders?.length, 3, 'folders');
  await eventually(async () => ok((await vscode.lm.selectChatModels({ vendor: 'scripted' })).length > 0, 'scripted'));
});

for (const [what, workspaceFolder, sentence] of [
  ['none is named', undefined, 'several folders are open. Name one of them: workspace, billing, shipping.'],
  ['an unknown one is named', 'other', 'no open folder has that name. Name one of them: workspace, billing, shipping.'],
] as const) {
  test(`the tool writes nothing where ${what}`, async () => {
    const before = await contents();
    contains(await invokeTool({ modulePath: 'example.com/x', workspaceFolder }), sentence, 'result');
    equal(await contents(), before, 'folders');
  });
}

test('the tool writes to the folder that is named', async () => {
  const text = await invokeTool({ modulePath: 'example.com/x', folder: 'services/x', workspaceFolder: 'shipping' });
  contains(text, 'Created ', 'result');
  ok(await exists(vscode.Uri.joinPath(folder('shipping'), 'services/x/go.mod')), 'go.mod');
  equal((await contents())[1], [], 'billing');
});

test('/scaffold reads the folder from the sentence', async () => {
  await newChat();
  await ask({ query: '@go-architect /scaffold invoices in billing/services/invoices [script: answer]' });
  contains(await lastAnswer(), '**Folder**: `billing/services/invoices` (from your request)', 'answer');
  contains(await lastAnswer(), '`example.com/invoices` (default)', 'answer');
});

test('/scaffold asks for the folder where the sentence leaves it open', async () => {
  await newChat();
  await ask({ query: '@go-architect /scaffold invoices in services/invoices [script: answer]' });
  contains(await lastAnswer(), '**Folder**: asked when you choose **Create**', 'answer');
});

test('the command scaffolds the folder of the explorer', async () => {
  await runToEnd(vscode.commands.executeCommand('goArchitect.scaffoldService', folder('billing')));
  ok(await exists(vscode.Uri.joinPath(folder('billing'), 'cmd/server/main.go')), 'main.go');
  await runToEnd(vscode.commands.executeCommand('goArchitect.undoScaffold'));
  equal((await contents())[1], [], 'billing after undo');
});
