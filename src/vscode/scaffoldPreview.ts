import * as vscode from 'vscode';
import { decodeOptions } from '../core/scaffold/options.ts';
import { renderService } from '../core/scaffold/render.ts';
import type { ExtensionAssets } from './assets.ts';

/** Scheme of read-only documents that show a file before it is created. */
const SCHEME = 'go-architect-preview';

/** The document that shows a file of the scaffold with the given options, as `encodeOptions` writes them. */
export function previewUri(path: string, query: string): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: `/${path}`, query });
}

/** Closes the documents that show files with these options: once the files exist, they would be taken for them. */
export async function closePreviews(query: string): Promise<void> {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  const previews = tabs.filter(
    ({ input }) => input instanceof vscode.TabInputText && input.uri.scheme === SCHEME && input.uri.query === query,
  );
  await vscode.window.tabGroups.close(previews, true);
}

/** Serves the files of a scaffold that has not been written yet. */
export function registerScaffoldPreview(assets: ExtensionAssets): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
    async provideTextDocumentContent(uri) {
      const rendered = renderService(await assets.service(), decodeOptions(uri.query));
      const path = uri.path.replace(/^\//, '');
      return rendered.find((file) => file.path === path)?.text ?? `The scaffold has no file ${path}.`;
    },
  });
}
