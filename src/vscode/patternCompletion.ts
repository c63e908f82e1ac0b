import * as vscode from 'vscode';
import type { Pattern } from '../core/catalogue/catalogue.ts';
import { completer, completionPlace } from '../core/catalogue/patternCompletion.ts';
import type { ExtensionAssets } from './assets.ts';
import { stoppedBy } from './cancellable.ts';
import { goFilesIn } from './goFolder.ts';
import { InsertPattern } from './insertPattern.ts';
import { offerLibraries } from './libraries.ts';

/** What completing patterns needs. */
export interface PatternCompletionNeeds {
  readonly assets: ExtensionAssets;
}

interface PatternItem extends vscode.CompletionItem {
  readonly pattern: Pattern;
}

const OFFER_LIBRARIES = 'goArchitect.offerLibraries';

/**
 * Completes patterns in Go files: only where a declaration may stand, with the imports, and in an empty file with the
 * package clause. The snippets of the manifest have no prefix, so that nothing is offered twice.
 */
export class PatternCompletion implements vscode.CompletionItemProvider<PatternItem> {
  readonly #needs: PatternCompletionNeeds;

  constructor(needs: PatternCompletionNeeds) {
    this.#needs = needs;
  }

  register(): vscode.Disposable {
    return vscode.Disposable.from(
      vscode.languages.registerCompletionItemProvider('go', this),
      vscode.commands.registerCommand(OFFER_LIBRARIES, async (name: unknown, uri: vscode.Uri) => {
        const { catalogue } = await this.#needs.assets.knowledge();
        const pattern = catalogue.patterns.find((one) => one.name === name);
        if (pattern) {
          await offerLibraries(pattern, uri);
        }
      }),
    );
  }

  async provideCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    token: vscode.CancellationToken,
  ): Promise<PatternItem[]> {
    const before = document.lineAt(position).text.slice(0, position.character);
    if (!/^[A-Za-z0-9]*$/.test(before)) {
      return []; // most positions end here, at no cost
    }
    const range = new vscode.Range(position.with(undefined, 0), position);
    const place = completionPlace(document.getText(), document.offsetAt(range.start), document.offsetAt(position));
    if (place === undefined) {
      return [];
    }
    const [folder = '', name = ''] = document.uri.path.split('/').slice(-2);
    const files =
      document.uri.scheme === 'untitled'
        ? []
        : await stoppedBy(token, (signal) => goFilesIn(vscode.Uri.joinPath(document.uri, '..'), signal));
    const { catalogue } = await this.#needs.assets.knowledge();
    const complete = completer(place, { name, folder, files });
    return catalogue.patterns.map((pattern): PatternItem => {
      const { prefix, aliases, title, libraries } = pattern;
      const completion = complete(pattern);
      const common = {
        pattern,
        label: { label: prefix, description: title },
        kind: vscode.CompletionItemKind.Snippet,
        filterText: [prefix, ...aliases, pattern.name].join(' '),
        range,
      };
      if (completion === undefined) {
        const command = { title: 'Insert Pattern', command: InsertPattern.command, arguments: [pattern.name] };
        return { ...common, detail: 'Its names are taken in this package: choose another', insertText: '', command };
      }
      const edits = completion.imports.map(({ start, end, text }) =>
        vscode.TextEdit.replace(new vscode.Range(document.positionAt(start), document.positionAt(end)), text),
      );
      return {
        ...common,
        insertText: new vscode.SnippetString(completion.snippet),
        keepWhitespace: true,
        additionalTextEdits: edits,
        ...(libraries.length === 0
          ? {}
          : {
              command: { title: 'Offer Libraries', command: OFFER_LIBRARIES, arguments: [pattern.name, document.uri] },
            }),
      };
    });
  }

  resolveCompletionItem(item: PatternItem): PatternItem {
    const { summary, sections, goVersion, libraries } = item.pattern;
    const needs = libraries.length === 0 ? 'the standard library only' : libraries.join(', ');
    const use = sections.get('When to use');
    item.documentation = new vscode.MarkdownString(
      [
        summary,
        `Go ${goVersion} or later, ${needs}.`,
        ...(use === undefined ? [] : [`**When to use**\n\n${use}`]),
      ].join('\n\n'),
    );
    return item;
  }
}
