import * as vscode from 'vscode';
import type { Catalogue, Pattern } from '../core/catalogue/catalogue.ts';
import { declarationOffset, parseGoHead, planImports, spacingAt } from '../core/catalogue/goSource.ts';
import { snippetBody, splitGoSource } from '../core/catalogue/snippet.ts';
import type { ExtensionAssets } from './assets.ts';
import type { Platform } from './folderFiles.ts';
import { offerLibraries } from './libraries.ts';
import { createPatternFile } from './patternFile.ts';

/** Registers "Go Architect: Insert Pattern". */
export function registerInsertPattern(
  assets: ExtensionAssets,
  extensionUri: vscode.Uri,
  platform: Platform,
): vscode.Disposable {
  return vscode.commands.registerCommand('goArchitect.insertPattern', async () => {
    const { catalogue } = await assets.knowledge();
    const pattern = await pickPattern(catalogue, extensionUri);
    if (pattern === undefined) {
      return;
    }
    const editor = vscode.window.activeTextEditor;
    const here = editor?.document.languageId === 'go' && parseGoHead(editor.document.getText()) !== undefined;
    const place = await pickPlace(pattern, here ? editor : undefined);
    if (place === 'cursor' && editor) {
      await insertAtCursor(editor, pattern);
    } else if (place === 'file') {
      await createPatternFile(pattern, extensionUri, platform);
    }
  });
}

interface PatternItem extends vscode.QuickPickItem {
  readonly pattern?: Pattern;
}

const READ: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('book'),
  tooltip: 'Read when to use it',
};

/** Lets the user choose a pattern, with its document to the side on request. */
function pickPattern(catalogue: Catalogue, extensionUri: vscode.Uri): Promise<Pattern | undefined> {
  const pick = vscode.window.createQuickPick<PatternItem>();
  pick.title = 'Insert Pattern';
  pick.placeholder = 'Which pattern? The book shows when to use it.';
  pick.matchOnDescription = true;
  pick.matchOnDetail = true;
  pick.items = [...Map.groupBy(catalogue.patterns, ({ category }) => category)].flatMap(([category, patterns]) => [
    { label: category, kind: vscode.QuickPickItemKind.Separator },
    ...patterns.map((pattern) => ({
      pattern,
      label: pattern.title,
      description:
        pattern.libraries.length === 0 ? pattern.prefix : `${pattern.prefix}, with ${pattern.libraries.join(', ')}`,
      detail: pattern.summary,
      buttons: [READ],
    })),
  ]);
  return new Promise((resolve) => {
    pick.onDidTriggerItemButton(({ item }) => {
      if (item.pattern) {
        const document = vscode.Uri.joinPath(extensionUri, item.pattern.path);
        void vscode.commands.executeCommand('markdown.showPreviewToSide', document);
      }
    });
    pick.onDidAccept(() => {
      resolve(pick.selectedItems[0]?.pattern);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

/** Asks where the pattern should go; without a Go file in the editor only a new file is left. */
async function pickPlace(
  pattern: Pattern,
  editor: vscode.TextEditor | undefined,
): Promise<'cursor' | 'file' | undefined> {
  const file = {
    label: '$(new-file) In a new file…',
    detail: 'with its package clause, in a package you choose',
    place: 'file' as const,
  };
  const cursor = editor && {
    label: `$(edit) At the cursor in ${vscode.workspace.asRelativePath(editor.document.uri)}`,
    detail: 'with its imports, as one edit that can be undone',
    place: 'cursor' as const,
  };
  const choice = await vscode.window.showQuickPick(cursor ? [cursor, file] : [file], {
    title: `Insert ${pattern.title}`,
    placeHolder: cursor ? 'Where should it go?' : 'No Go file is open in the editor, so it goes into a new one.',
  });
  return choice?.place;
}

/** Inserts declarations as a snippet and adds the imports they need: one edit, undone as one. */
async function insertAtCursor(editor: vscode.TextEditor, pattern: Pattern): Promise<void> {
  const { document, selection } = editor;
  const text = document.getText();
  const head = parseGoHead(text);
  if (!head) {
    return;
  }
  const { imports, declarations } = splitGoSource(pattern.source);
  const { changes, conflicts } = planImports(text, head, imports);
  if (conflicts.length > 0) {
    await vscode.window.showWarningMessage(
      `${pattern.title} cannot go into this file: ${conflicts.join(', ')}. Insert it into a new file.`,
    );
    return;
  }
  const offset = declarationOffset(text, document.offsetAt(selection.active), head.end);
  const { before, after } = spacingAt(text, offset);
  const body = before + snippetBody(declarations, pattern.tabStops) + after;
  const edit = new vscode.WorkspaceEdit();
  edit.set(document.uri, [
    ...changes.map(({ start, end, text: replacement }) =>
      vscode.TextEdit.replace(new vscode.Range(document.positionAt(start), document.positionAt(end)), replacement),
    ),
    vscode.SnippetTextEdit.insert(document.positionAt(offset), new vscode.SnippetString(body)),
  ]);
  if (await vscode.workspace.applyEdit(edit)) {
    await offerLibraries(pattern, document.uri);
  }
}
