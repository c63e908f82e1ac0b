import * as vscode from 'vscode';
import type { Pattern } from '../core/catalogue/catalogue.ts';
import type { ExtensionAssets } from './assets.ts';

/** Scheme of read-only documents that show the tested source of a pattern, or its page. */
const SCHEME = 'go-architect-pattern';

/** The button that opens the source of a pattern in an editor, which has more room than the chat view. */
export function showCodeButton({ name, title }: Pattern): vscode.Command {
  const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${name}.go` });
  return { command: 'vscode.open', title: `Show Code: ${title}`, arguments: [uri] };
}

/** The page of a pattern, for the preview of Markdown. */
export function pageUri({ name }: Pattern): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: `/${name}.md` });
}

/** Serves the sources and the pages of the catalogue's patterns. */
export function registerPatternCode(assets: ExtensionAssets): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
    async provideTextDocumentContent({ path }) {
      const { catalogue } = await assets.knowledge();
      const entry = catalogue.entries.get(path.replace(/^\/|\.(?:go|md)$/g, ''));
      if (entry?.kind !== 'pattern') {
        return 'The catalogue has no such pattern.';
      }
      return path.endsWith('.md') ? pageOf(entry) : entry.source;
    },
  });
}

/** What a reader needs of a pattern's document: the title instead of the front matter. */
function pageOf({ title, summary, body }: Pattern): string {
  return `# ${title}\n\n${summary}\n\n${body}`;
}
