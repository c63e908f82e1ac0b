/** Patterns in Go files that once defeated the placing of code: by the command and by completion, in a real editor. */
import * as vscode from 'vscode';
import { runToEnd } from '../driving.ts';
import { workspaceFolder, writeText } from '../extension.ts';
import { contains, equal, eventually, ok, test } from '../registry.ts';

/** Name, text and cursor of each file, found when the tests were bundled. */
declare const INSERT_CASES: readonly (readonly [string, { readonly text: string; readonly cursor: number }])[];

// What is vetted afterwards stands below this folder of the workspace, as it was, by command and by completion.
const FOLDER = 'inserted';
const CODE = 'func NewBulkhead(';
/** Nothing goes into them without a question. */
const REFUSED = new Set(['conflict-markers', 'generated']);

async function open(how: string, name: string, text: string, cursor: number): Promise<vscode.TextEditor> {
  const uri = vscode.Uri.joinPath(workspaceFolder(), FOLDER, how, name, 'pay.go');
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  await writeText(uri, text);
  const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
  const at = editor.document.positionAt(cursor);
  editor.selection = new vscode.Selection(at, at);
  return editor;
}

async function offers(editor: vscode.TextEditor): Promise<readonly string[]> {
  const { items } = await vscode.commands.executeCommand<vscode.CompletionList>(
    'vscode.executeCompletionItemProvider',
    editor.document.uri,
    editor.selection.active,
  );
  return items.map(({ label }) => (typeof label === 'string' ? label : label.label));
}

test('there are files to insert into', async () => {
  ok(INSERT_CASES.length > 25, 'no case was found');
  await writeText(vscode.Uri.joinPath(workspaceFolder(), FOLDER, 'go.mod'), 'module example.com/inserted\n\ngo 1.22\n');
});

for (const [name, { text, cursor }] of INSERT_CASES) {
  test(`Insert Pattern into ${name}`, async () => {
    await open('before', name, text, cursor);
    const { document } = await open('command', name, text, cursor);
    const command = vscode.commands.executeCommand('goArchitect.insertPattern', 'bulkhead');
    await runToEnd(command);
    if (REFUSED.has(name)) {
      equal(document.getText(), text, 'nothing was changed');
      return;
    }
    contains(document.getText(), CODE, 'the pattern');
    const inserted = document.getText();
    await vscode.commands.executeCommand('undo');
    equal(document.getText(), text, 'one undo restores the file');
    await vscode.commands.executeCommand('redo');
    equal(document.getText(), inserted, 'redo');
    await eventually(async () => ok(await document.save(), 'saved'));
  });

  test(`Completion at the end of ${name}`, async () => {
    const whole = `${text.replace(/\r?\n$/, '')}\n`.replace(/(?<!\r)\n/g, text.includes('\r\n') ? '\r\n' : '\n');
    const editor = await open('completion', name, whole, whole.length);
    const { document } = editor;
    await vscode.commands.executeCommand('type', { text: 'archbulkhead' });
    if (REFUSED.has(name)) {
      ok(!(await offers(editor)).includes('archbulkhead'), 'it is not offered');
      await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
      return;
    }
    await eventually(async () => {
      await vscode.commands.executeCommand('editor.action.triggerSuggest');
      await new Promise((resolve) => setTimeout(resolve, 200));
      await vscode.commands.executeCommand('acceptSelectedSuggestion');
      await eventually(() => contains(document.getText(), CODE, 'the pattern'), 500);
    }, 20_000);
    await eventually(() => contains(document.getText(), '"container/list"', 'its imports'));
    ok(!document.getText().includes('archbulkhead'), 'the typed word is gone');
    await eventually(async () => ok(await document.save(), 'saved'));
  });
}

test('a pattern that the package holds already is not inserted again', async () => {
  const twin = vscode.Uri.joinPath(workspaceFolder(), FOLDER, 'twice/twice/other.go');
  await writeText(twin, 'package pay\n\ntype Bulkhead struct{}\n');
  const text = 'package pay\n\nvar x = 1\n';
  const { document } = await open('twice', 'twice', text, text.length);
  await runToEnd(vscode.commands.executeCommand('goArchitect.insertPattern', 'bulkhead'));
  equal(document.getText(), text, 'nothing was changed');
});

test('an empty file is completed to a whole one, in the package of its folder', async () => {
  const editor = await open('completion', 'whole', '', 0);
  await vscode.commands.executeCommand('type', { text: 'archbulk' });
  await eventually(async () => {
    await vscode.commands.executeCommand('editor.action.triggerSuggest');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await vscode.commands.executeCommand('acceptSelectedSuggestion');
    await eventually(() => contains(editor.document.getText(), '\npackage whole\n', 'the clause'), 500);
  }, 20_000);
  contains(editor.document.getText(), CODE, 'the pattern');
  await eventually(async () => ok(await editor.document.save(), 'saved'));
});

test('patterns are offered where a declaration may stand, once each, and nowhere else', async () => {
  const text = 'package pay\n\nfunc f() {\n\tprintln()\n}\n';
  const editor = await open('places', 'places', `${text}\n`, text.length + 1);
  const labels = (await offers(editor)).filter((label) => label.startsWith('arch'));
  ok(labels.length > 25, `offered: ${labels.join(', ')}`);
  equal(labels.length, new Set(labels).size, 'each once');
  const inside = editor.document.positionAt(text.indexOf('\t') + 1);
  editor.selection = new vscode.Selection(inside, inside);
  equal(
    (await offers(editor)).filter((label) => label.startsWith('arch')),
    [],
    'in a function',
  );
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
});
