import * as vscode from 'vscode';
import type { Pattern } from '../core/catalogue/catalogue.ts';
import type { ExtensionAssets } from './assets.ts';

/** Scheme of read-only documents that show the tested source of a pattern. */
const SCHEME = 'go-architect-pattern';

/** The button that opens the source of a pattern in an editor, which has more room than the chat view. */
export function showCodeButton({ name, title }: Pattern): vscode.Command {
  const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${name}.go` });
  return { command: 'vscode.open', title: `Show Code: ${title}`, arguments: [uri] };
}

/** Serves the sources of the catalogue's patterns. */
export function registerPatternCode(assets: ExtensionAssets): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
    async provideTextDocumentContent({ path }) {
      const { catalogue } = await assets.knowledge();
      const entry = catalogue.entries.get(path.slice(1, -'.go'.length));
      return entry?.kind === 'pattern' ? entry.source : 'The catalogue has no such pattern.';
    },
  });
}
