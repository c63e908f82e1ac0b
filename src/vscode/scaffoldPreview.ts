import * as vscode from 'vscode';
import { fileTree } from '../core/scaffold/fileTree.ts';
import {
  COMPONENT_DESCRIPTIONS,
  decodeOptions,
  defaultOptions,
  encodeOptions,
  LAYOUT_DESCRIPTIONS,
  type ScaffoldOptions,
} from '../core/scaffold/options.ts';
import { renderService } from '../core/scaffold/render.ts';
import { parseScaffoldRequest } from '../core/scaffold/request.ts';
import { suggestModulePath } from '../core/scaffold/suggest.ts';
import type { ExtensionAssets } from './assets.ts';
import { FolderFiles } from './folderFiles.ts';

/** Scheme of read-only documents that show a file before it is created. */
const SCHEME = 'go-architect-preview';

/** The document that shows a file of the scaffold with the given options, as `encodeOptions` writes them. */
export function previewUri(path: string, query: string): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: `/${path}`, query });
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

/** Answers /scaffold: what the sentence asks for, the tree with a preview of each file, and the buttons to go on. */
export async function showScaffold(
  assets: ExtensionAssets,
  sentence: string,
  stream: vscode.ChatResponseStream,
): Promise<void> {
  const asked = parseScaffoldRequest(sentence);
  const options: ScaffoldOptions = {
    ...defaultOptions(asked.modulePath ?? (await suggestedModulePath())),
    ...asked,
  };
  const rendered = renderService(await assets.service(), options);
  stream.markdown(summaryOf(options, rendered.length));
  stream.filetree(fileTree(rendered.map(({ path }) => path)), previewUri('', encodeOptions(options)));
  const argument = { ...options, components: [...options.components] };
  stream.button({
    command: 'goArchitect.scaffoldService',
    title: 'Create',
    arguments: [{ ...argument, decided: true }],
  });
  stream.button({ command: 'goArchitect.scaffoldService', title: 'Change Options', arguments: [argument] });
}

function summaryOf({ modulePath, components, layout }: ScaffoldOptions, files: number): string {
  const parts = ['HTTP', ...[...components].map((component) => COMPONENT_DESCRIPTIONS[component].label)];
  return [
    `A clean-architecture service for module \`${modulePath}\`: ${files} files, with ${parts.join(', ')}; layout: ${LAYOUT_DESCRIPTIONS[layout].label}. It builds, passes its tests and serves HTTP with \`go run ./cmd/server\` on an in-memory store.`,
    'Open any file below to read it first. Nothing is written until you choose **Create**; files that exist are never changed.',
  ].join('\n\n');
}

async function suggestedModulePath(): Promise<string> {
  const folder = vscode.workspace.workspaceFolders?.[0];
  return folder ? suggestModulePath(new FolderFiles(folder.uri, {}), '', folder.name) : 'example.com/service';
}
