import * as vscode from 'vscode';
import { modulePathProblem } from '../core/scaffold/modulePath.ts';
import { existingModulePath, folderPathProblem, suggestModulePath } from '../core/scaffold/suggest.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { BACK, inputText, pickItem } from './quickInput.ts';

/** Where to scaffold, and for which module. */
export interface ScaffoldAnswers {
  readonly target: vscode.Uri;
  readonly modulePath: string;
}

const TITLE = 'Scaffold Service';

/** A folder to scaffold into: a base that VS Code knows, and the path below it. */
interface Target {
  readonly base: vscode.Uri;
  readonly baseName: string;
  readonly path: string;
}

/**
 * Asks for folder and module path, with a way back.
 * @param argument the folder, when the command comes from the explorer; `{ modulePath }`, when it comes from chat.
 * @returns undefined if the user gave up.
 */
export async function askScaffold(platform: Platform, argument: unknown): Promise<ScaffoldAnswers | undefined> {
  const given = argument instanceof vscode.Uri ? targetOf(argument) : undefined;
  const wanted = modulePathIn(argument);
  for (;;) {
    const target = given ?? (await askTarget());
    if (target === undefined) {
      return undefined;
    }
    const base = new FolderFiles(target.base, platform);
    const uri = target.path === '' ? target.base : vscode.Uri.joinPath(target.base, target.path);
    // A folder that is a module already keeps its path: its go.mod is never changed.
    const existing = await existingModulePath(base, target.path);
    if (existing !== undefined && modulePathProblem(existing) === undefined) {
      return { target: uri, modulePath: existing };
    }
    const modulePath = await inputText({
      title: TITLE,
      step: given ? 1 : 2,
      totalSteps: given ? 1 : 2,
      canGoBack: given === undefined,
      prompt: 'Module path of the service',
      value: wanted ?? (await suggestModulePath(base, target.path, target.baseName)),
      problemOf: modulePathProblem,
    });
    if (modulePath === BACK) {
      continue;
    }
    return modulePath === undefined ? undefined : { target: uri, modulePath };
  }
}

async function askTarget(): Promise<Target | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  for (;;) {
    const here = folders.map((folder) => ({
      label: `$(root-folder) ${folder.name}`,
      description: 'the workspace folder itself',
      choose: async (): Promise<Target | typeof BACK | undefined> => ({
        base: folder.uri,
        baseName: folder.name,
        path: '',
      }),
    }));
    const below = folders.map((folder) => ({
      label: `$(new-folder) New folder in ${folder.name}…`,
      description: '',
      choose: () => askFolderBelow(folder),
    }));
    const elsewhere = { label: '$(folder-opened) Another folder…', description: '', choose: browse };
    if (folders.length === 0) {
      return browse();
    }
    const choice = await pickItem({
      title: TITLE,
      step: 1,
      totalSteps: 2,
      placeholder: 'Where should the service go?',
      items: [...here, ...below, elsewhere],
    });
    const target = await choice?.choose();
    if (target !== BACK) {
      return target;
    }
  }
}

async function askFolderBelow(folder: vscode.WorkspaceFolder): Promise<Target | typeof BACK | undefined> {
  const path = await inputText({
    title: TITLE,
    step: 1,
    totalSteps: 2,
    canGoBack: true,
    prompt: `Folder below ${folder.name}`,
    placeholder: 'services/orders',
    value: '',
    problemOf: folderPathProblem,
  });
  return typeof path === 'string' ? { base: folder.uri, baseName: folder.name, path } : path;
}

async function browse(): Promise<Target | undefined> {
  const [uri] =
    (await vscode.window.showOpenDialog({
      canSelectFolders: true,
      canSelectFiles: false,
      openLabel: 'Scaffold Here',
      title: 'Folder for the service',
    })) ?? [];
  return uri === undefined ? undefined : targetOf(uri);
}

/** A folder inside the workspace is seen from the workspace folder, so that a go.mod above it is found. */
function targetOf(uri: vscode.Uri): Target {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  if (folder && uri.path.startsWith(`${folder.uri.path.replace(/\/$/, '')}/`)) {
    const path = uri.path.slice(folder.uri.path.replace(/\/$/, '').length + 1).replace(/\/$/, '');
    return { base: folder.uri, baseName: folder.name, path };
  }
  return { base: uri, baseName: uri.path.split('/').findLast(Boolean) ?? 'service', path: '' };
}

function modulePathIn(argument: unknown): string | undefined {
  if (typeof argument === 'object' && argument !== null && 'modulePath' in argument) {
    return typeof argument.modulePath === 'string' ? argument.modulePath : undefined;
  }
  return undefined;
}
