/** Snippets are offered in Go files, and what they insert is the Go source that was tested. */
import * as vscode from 'vscode';
import { extension, readText, workspaceFolder, writeText } from '../extension.ts';
import { contains, equal, eventually, ok, test } from '../registry.ts';

/** The patterns that have a snippet, found when the tests were bundled. */
declare const PATTERNS: readonly {
  readonly title: string;
  readonly prefixes: readonly string[];
  /** The Go file, relative to the extension. */
  readonly source: string;
}[];

let files = 0;

/** Opens a new Go file, with the cursor at its end. */
async function openGoFile(text: string): Promise<vscode.TextEditor> {
  const file = vscode.Uri.joinPath(workspaceFolder(), `snippet${++files}.go`);
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  await writeText(file, text);
  const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file));
  const end = editor.document.positionAt(text.length);
  editor.selection = new vscode.Selection(end, end);
  return editor;
}

test('there are snippets', () => {
  ok(PATTERNS.length > 0, 'no pattern was found');
});

for (const { title, prefixes, source } of PATTERNS) {
  test(`${title} is offered under ${prefixes.join(', ')}`, async () => {
    for (const prefix of prefixes) {
      const { document, selection } = await openGoFile(`package main\n\n${prefix}`);
      await eventually(async () => {
        const { items } = await vscode.commands.executeCommand<vscode.CompletionList>(
          'vscode.executeCompletionItemProvider',
          document.uri,
          selection.active,
        );
        const offered = items
          .filter(({ kind }) => kind === vscode.CompletionItemKind.Snippet)
          .filter(({ filterText }) => filterText?.split(' ').includes(prefix));
        equal(offered.length, 1, `${prefix}, once`);
      });
    }
  });

  test(`${title} inserts the tested source`, async () => {
    const editor = await openGoFile('');
    await vscode.commands.executeCommand('editor.action.insertSnippet', { langId: 'go', name: title });
    const tested = afterImports(await readText(vscode.Uri.joinPath(extension().extensionUri, source)));
    contains(tested, 'func ', 'the source has code');
    await eventually(() =>
      equal(firstDifference(editor.document.getText().trimEnd(), tested), undefined, 'difference'),
    );
  });
}

/** The declarations of a Go file: what follows its import block. */
function afterImports(source: string): string {
  return source.replace(/^[\s\S]*?^import (\([\s\S]*?^\)|"[^"]+")\n+/m, '').trimEnd();
}

/** The first line that differs, of both texts. */
function firstDifference(inserted: string, tested: string): object | undefined {
  const [left, right] = [inserted.split('\n'), tested.split('\n')];
  const length = Math.max(left.length, right.length);
  for (let line = 0; line < length; line++) {
    if (left[line] !== right[line]) {
      return { line, inserted: left[line], tested: right[line] };
    }
  }
  return undefined;
}
