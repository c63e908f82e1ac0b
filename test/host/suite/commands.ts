/** Insert Pattern, Undo Scaffold and the scaffold tool, inside a real extension host. */
import * as vscode from 'vscode';
import { exists, invokeTool, whileAccepting } from '../driving.ts';
import { extension, readText, workspaceFolder, writeText } from '../extension.ts';
import { contains, equal, eventually, ok, test } from '../registry.ts';

const GO_FILE = `package insert

import (
	"fmt"
)

func greet() string {
	return fmt.Sprint("hi")
}
`;

test('Insert Pattern adds declarations and imports at the cursor, as one edit', async () => {
  const uri = vscode.Uri.joinPath(workspaceFolder(), 'insert/insert.go');
  await writeText(uri, GO_FILE);
  const editor = await vscode.window.showTextDocument(uri);
  editor.selection = new vscode.Selection(7, 0, 7, 0);
  await whileAccepting(
    vscode.commands.executeCommand('goArchitect.insertPattern'),
    () => editor.document.getText() !== GO_FILE,
  );
  const text = editor.document.getText();
  contains(text, '\n\t"context"\n', 'an import of the pattern, in the first block');
  contains(text, '\n\t"fmt"\n', 'the import that was there');
  contains(text, 'return fmt.Sprint("hi")\n}\n', 'the function that the cursor stood in, whole');
  ok(text.indexOf('package insert') === 0 && text.length > 1000, 'the declarations of the pattern');
  await vscode.commands.executeCommand('undo');
  equal(editor.document.getText(), GO_FILE, 'one undo restores the file');
  await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
});

test('Insert Pattern creates a package of its own where no Go file is open', async () => {
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'internal/leaderelection');
  const file = vscode.Uri.joinPath(folder, 'leaderelection.go');
  await whileAccepting(vscode.commands.executeCommand('goArchitect.insertPattern'), () => exists(file));
  const source = vscode.Uri.joinPath(
    vscode.Uri.joinPath(extension().extensionUri, 'snippets/go-coordination/leaderelection'),
    'leaderelection.go',
  );
  equal(await readText(file), await readText(source), 'the tested source');
  await eventually(() => ok(vscode.window.activeTextEditor?.document.uri.path === file.path, 'the file is open'));
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
});

test('Undo Scaffold restores the folder, except for what was changed', async () => {
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'undo');
  const readme = vscode.Uri.joinPath(folder, 'README.md');
  const main = vscode.Uri.joinPath(folder, 'cmd/server/main.go');
  await vscode.workspace.fs.createDirectory(folder);
  await whileAccepting(
    vscode.commands.executeCommand('goArchitect.scaffoldService', folder),
    () => exists(main),
    'goArchitect.scaffoldPreview.create',
  );
  await eventually(async () => ok(await exists(readme), 'README.md'), 20_000);
  await writeText(readme, 'my own words');
  await whileAccepting(vscode.commands.executeCommand('goArchitect.undoScaffold'), async () => !(await exists(main)));
  await eventually(async () => {
    const names = (await vscode.workspace.fs.readDirectory(folder)).map(([name]) => name);
    equal(names, ['README.md'], 'what is left');
  }, 20_000);
  equal(await readText(readme), 'my own words', 'the file that was changed');
});

test('the scaffold tool refuses bad input in words, and writes nothing', async () => {
  ok(
    vscode.lm.tools.some(({ name }) => name === 'goArchitect_scaffoldService'),
    'the tool is offered',
  );
  const before = await vscode.workspace.fs.readDirectory(workspaceFolder());
  for (const [input, message] of [
    [{ modulePath: 'no dot' }, 'modulePath: '],
    [{ modulePath: 'example.com/x', folder: '../outside' }, 'folder: '],
    [{ modulePath: 'example.com/x', folder: '/etc' }, 'folder: '],
    [{ modulePath: 'example.com/x', workspaceFolder: 'other' }, 'workspaceFolder: no open folder has that name'],
  ] as const) {
    contains(await invokeTool(input), message, JSON.stringify(input));
  }
  equal(await vscode.workspace.fs.readDirectory(workspaceFolder()), before, 'the workspace');
});

test('the scaffold tool writes, keeps an existing go.mod, and says what it lacks', async () => {
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'by-tool');
  const goMod = 'module example.com/by-tool\n\ngo 1.24\n';
  await writeText(vscode.Uri.joinPath(folder, 'go.mod'), goMod);
  const input = {
    modulePath: 'example.com/another',
    folder: 'by-tool',
    components: ['postgres'],
    workspaceFolder: vscode.workspace.workspaceFolders?.[0]?.name,
  };
  const text = await invokeTool(input);
  contains(text, 'Created ', 'result');
  contains(text, 'were left alone: by-tool/go.mod', 'result');
  contains(text, 'Your go.mod lacks for it: go 1.26', 'result');
  equal(await readText(vscode.Uri.joinPath(folder, 'go.mod')), goMod, 'go.mod');
  // The module that is there keeps its path, whatever the model says.
  contains(await readText(vscode.Uri.joinPath(folder, 'cmd/server/main.go')), '"example.com/by-tool/', 'imports');
});
