import * as vscode from 'vscode';
import { fileTree } from '../core/scaffold/fileTree.ts';
import { renderService } from '../core/scaffold/render.ts';
import { parseScaffoldRequest } from '../core/scaffold/request.ts';
import { suggestModulePath } from '../core/scaffold/suggest.ts';
import type { ExtensionAssets } from './assets.ts';
import { FolderFiles } from './folderFiles.ts';

/** Scheme of read-only documents that show a file before it is created. */
const SCHEME = 'go-architect-preview';

/** Serves the files of a scaffold that has not been written yet. */
export function registerScaffoldPreview(assets: ExtensionAssets): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
    async provideTextDocumentContent(uri) {
      const rendered = renderService(await assets.service(), { modulePath: uri.query });
      const path = uri.path.replace(/^\//, '');
      return rendered.find((file) => file.path === path)?.text ?? `The scaffold has no file ${path}.`;
    },
  });
}

/** Answers /scaffold: what the sentence asks for, the tree with a preview of each file, and the button that creates it. */
export async function showScaffold(
  assets: ExtensionAssets,
  sentence: string,
  stream: vscode.ChatResponseStream,
): Promise<void> {
  const modulePath = parseScaffoldRequest(sentence).modulePath ?? (await suggestedModulePath());
  const rendered = renderService(await assets.service(), { modulePath });
  const goFiles = rendered.filter(({ path }) => path.endsWith('.go')).length;
  stream.markdown(
    [
      `A clean-architecture service for module \`${modulePath}\`: ${rendered.length} files, ${goFiles} of them Go, in the layers domain, use case, adapter and infrastructure. It builds, passes its tests and serves HTTP with \`go run ./cmd/server\` on an in-memory store.`,
      'Open any file below to read it first. Nothing is written until you choose **Create Service**; files that exist are never changed.',
    ].join('\n\n'),
  );
  stream.filetree(
    fileTree(rendered.map(({ path }) => path)),
    vscode.Uri.from({ scheme: SCHEME, path: '/', query: modulePath }),
  );
  stream.button({ command: 'goArchitect.scaffoldService', title: 'Create Service', arguments: [{ modulePath }] });
}

async function suggestedModulePath(): Promise<string> {
  const folder = vscode.workspace.workspaceFolders?.[0];
  return folder ? suggestModulePath(new FolderFiles(folder.uri, {}), '', folder.name) : 'example.com/service';
}
