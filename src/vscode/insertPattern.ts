import * as vscode from 'vscode';
import type { Pattern } from '../core/catalogue/catalogue.ts';
import { type Clash, clashesOf, planPattern, snippetOf } from '../core/catalogue/patternInsertion.ts';
import { type GoFile, parseGoFile } from '../core/go/file.ts';
import { type Insertion, UnreadableFileError } from '../core/go/insertion.ts';
import { isGenerated, scopeOf } from '../core/go/package.ts';
import { listed } from '../core/words.ts';
import type { ExtensionAssets } from './assets.ts';
import { cancellableIfSlow } from './cancellable.ts';
import { goFilesIn, readOnlyReason } from './goFolder.ts';
import { offerLibraries } from './libraries.ts';
import type { PatternFile } from './patternFile.ts';
import { pickPattern } from './patternPick.ts';

/** What "Insert Pattern" needs. */
export interface InsertPatternNeeds {
  readonly assets: ExtensionAssets;
  readonly patternFile: PatternFile;
}

const NEW_FILE = 'In a New Package…';
const ANYWAY = 'Insert Anyway';

/** "Go Architect: Insert Pattern": a pattern into the Go file at hand, or into a file of its own. */
export class InsertPattern {
  static readonly command = 'goArchitect.insertPattern';
  readonly #needs: InsertPatternNeeds;

  constructor(needs: InsertPatternNeeds) {
    this.#needs = needs;
  }

  register(): vscode.Disposable {
    return vscode.commands.registerCommand(InsertPattern.command, (name?: unknown) => this.#run(name));
  }

  /** @param name a pattern that was chosen already, for the cursor. */
  async #run(name: unknown): Promise<void> {
    // Reading a pattern's page meanwhile makes that the active editor.
    const editor = vscode.window.activeTextEditor;
    const goEditor = editor?.document.languageId === 'go' ? editor : undefined;
    const knowledge = await this.#needs.assets.knowledge();
    const chosen = knowledge.catalogue.patterns.find((pattern) => pattern.name === name);
    const pattern = chosen ?? (await pickPattern(knowledge));
    if (pattern === undefined) {
      return;
    }
    const place = chosen && goEditor ? 'cursor' : await pickPlace(pattern, goEditor);
    if (place === 'cursor' && goEditor) {
      await this.#insertAtCursor(goEditor, pattern);
    } else if (place === 'file') {
      await this.#needs.patternFile.create(pattern);
    }
  }

  /** Inserts declarations as a snippet and adds the imports they need: one edit, undone as one. */
  async #insertAtCursor({ document, viewColumn }: vscode.TextEditor, pattern: Pattern): Promise<void> {
    // Tab stops work in the editor that has the focus.
    const editor = await vscode.window.showTextDocument(document, viewColumn === undefined ? {} : { viewColumn });
    const where = vscode.workspace.asRelativePath(document.uri);
    const readOnly = await readOnlyReason(document);
    if (readOnly !== undefined) {
      await this.#offerNewFile(pattern, `${readOnly} ${pattern.title} was not inserted.`);
      return;
    }
    if (isGenerated(document.getText())) {
      const why = `${where} is generated: what is written into it is lost when it is generated again.`;
      if (!(await this.#offerNewFile(pattern, why, ANYWAY))) {
        return;
      }
    }
    const folder = vscode.Uri.joinPath(document.uri, '..');
    const files =
      document.uri.scheme === 'untitled'
        ? []
        : await cancellableIfSlow('Looking at the package', (signal) => goFilesIn(folder, signal));
    // From here on nothing is awaited until the edit, so that the text cannot change in between.
    const text = document.getText();
    const file = parseGoFile(text);
    if (!file) {
      await this.#offerNewFile(pattern, `${where} has no package clause, so ${pattern.title} cannot go into it.`);
      return;
    }
    const name = document.uri.path.split('/').at(-1) ?? '';
    const others = files.filter((other) => other.name !== name);
    const scope = scopeOf([...others, { name, text }], file.packageName, name);
    const clashes = clashesOf(pattern, scope);
    if (clashes.length > 0) {
      await this.#offerNewFile(pattern, clashText(pattern, file, clashes));
      return;
    }
    try {
      const plan = planPattern(pattern, text, file, document.offsetAt(editor.selection.active), scope);
      const range = (start: number, end: number) =>
        new vscode.Range(document.positionAt(start), document.positionAt(end));
      const body = vscode.SnippetTextEdit.replace(
        range(plan.start, plan.end),
        new vscode.SnippetString(snippetOf(plan)),
      );
      body.keepWhitespace = true; // Go wants tabs, whatever the editor is set to
      const edit = new vscode.WorkspaceEdit();
      edit.set(document.uri, [
        ...plan.imports.map(({ start, end, text: added }) => vscode.TextEdit.replace(range(start, end), added)),
        body,
      ]);
      if (!(await vscode.workspace.applyEdit(edit))) {
        await this.#offerNewFile(pattern, `${where} did not take the edit; nothing was changed.`);
        return;
      }
      const added = plan.imports.reduce((sum, { start, end, text: lines }) => sum + lines.length - (end - start), 0);
      this.#show(editor, pattern, document.positionAt(plan.start + added + plan.before.length), plan.behind);
      await offerLibraries(pattern, document.uri);
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) {
        throw error;
      }
      const why = `${where} is not Go as it stands (${error.message}), so nothing was inserted. Correct it, or take a new package.`;
      await this.#offerNewFile(pattern, why);
    }
  }

  /** Says where the code went: it may be far from the cursor. */
  #show(editor: vscode.TextEditor, pattern: Pattern, at: vscode.Position, behind: Insertion['behind']): void {
    editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.AtTop);
    const name = behind?.names[0]?.name;
    const place = name === undefined ? '' : ` behind ${behind?.kind === 'method' ? 'func' : behind?.kind} ${name}`;
    vscode.window.setStatusBarMessage(`${pattern.title} stands in line ${at.line + 1}${place}`, 10_000);
  }

  /** Says why the file at hand does not do, and offers another. @returns whether the user wants it in spite of that. */
  async #offerNewFile(pattern: Pattern, why: string, anyway?: string): Promise<boolean> {
    const choices = anyway === undefined ? [NEW_FILE] : [NEW_FILE, anyway];
    const choice = await vscode.window.showWarningMessage(why, ...choices);
    if (choice === NEW_FILE) {
      await this.#needs.patternFile.create(pattern);
    }
    return choice !== undefined && choice === anyway;
  }
}

function clashText(pattern: Pattern, { packageName }: GoFile, clashes: readonly Clash[]): string {
  const names = listed(
    clashes.map(({ name, file }) => `${name} (${file})`),
    3,
  );
  return `Package ${packageName} has names that ${pattern.title} needs: ${names}. In a package of its own nothing clashes.`;
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
    detail: 'with its imports, between declarations, as one edit that can be undone',
    place: 'cursor' as const,
  };
  const choice = await vscode.window.showQuickPick(cursor ? [cursor, file] : [file], {
    title: `Insert ${pattern.title}`,
    placeHolder: cursor ? 'Where should it go?' : 'No Go file is open in the editor, so it goes into a new one.',
  });
  return choice?.place;
}
