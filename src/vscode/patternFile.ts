import * as vscode from 'vscode';
import type { Pattern } from '../core/catalogue/catalogue.ts';
import { goFileFor, packageNameFor, parseGoHead } from '../core/catalogue/goSource.ts';
import { FileExistsError } from '../core/files.ts';
import { folderPathProblem } from '../core/scaffold/folder.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { offerLibraries } from './libraries.ts';
import { refuseInRestrictedMode } from './restrictedMode.ts';
import { readWorkspaceFacts } from './workspaceFacts.ts';

/** Creates the file of a pattern in a package that the user chooses, with its test where the package is new. */
export async function createPatternFile(pattern: Pattern, extensionUri: vscode.Uri, platform: Platform): Promise<void> {
  if (await refuseInRestrictedMode()) {
    return;
  }
  const folder = await pickPackage(pattern);
  if (folder === undefined) {
    return;
  }
  const existing = await packageIn(folder);
  const packageName = existing ?? packageNameFor(folder.path.split('/').at(-1) ?? '');
  const files = new FolderFiles(folder, platform);
  const name = `${pattern.name}.go`;
  try {
    if ((await files.kind('')) === undefined) {
      await vscode.workspace.fs.createDirectory(folder);
    }
    await files.create(name, goFileFor(pattern.source, packageName, existing === undefined));
  } catch (error) {
    const why = error instanceof FileExistsError ? `${name} exists there already` : String(error);
    await vscode.window.showErrorMessage(`${pattern.title} was not created: ${why}. Choose another package.`);
    return;
  }
  if (existing === undefined) {
    await createTest(pattern, extensionUri, files, packageName);
  }
  const uri = vscode.Uri.joinPath(folder, name);
  await vscode.window.showTextDocument(uri);
  await offerLibraries(pattern, uri);
}

/** The test comes along into a package of its own; beside other code its helpers could clash. */
async function createTest(
  pattern: Pattern,
  extensionUri: vscode.Uri,
  files: FolderFiles,
  packageName: string,
): Promise<void> {
  const path = pattern.sourcePath.replace(/\.go$/, '_test.go');
  const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extensionUri, path));
  const text = new TextDecoder().decode(bytes);
  // A test that needs the catalogue's own helpers or a server stays where those are.
  const standardOnly = parseGoHead(text)?.imports.every(({ path: wanted }) => !wanted.split('/')[0]?.includes('.'));
  if (standardOnly) {
    await files.create(`${pattern.name}_test.go`, goFileFor(text, packageName, true));
  }
}

interface PackageItem extends vscode.QuickPickItem {
  readonly choose: () => Promise<vscode.Uri | undefined>;
}

async function pickPackage(pattern: Pattern): Promise<vscode.Uri | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [first] = folders;
  if (first === undefined) {
    await vscode.window.showInformationMessage('Open a folder first: a pattern goes into a package of its module.');
    return undefined;
  }
  const cancel = new vscode.CancellationTokenSource();
  const items = readWorkspaceFacts(cancel.token).then(({ modules }): PackageItem[] => [
    ...folders.map((folder) => ({
      label: `$(new-folder) New package in ${folder.name}…`,
      detail: 'with the pattern’s test, where it needs no server',
      choose: () => askNewPackage(folder, pattern),
    })),
    ...modules.flatMap((module) =>
      module.packages.map((path) => {
        const relative = [module.folder, path].filter((part) => part !== '' && part !== '.').join('/');
        return {
          label: `$(symbol-namespace) ${relative || '.'}`,
          description: module.path,
          choose: async () => uriOf(relative, first),
        };
      }),
    ),
  ]);
  const choice = await vscode.window.showQuickPick(items, {
    title: `Insert ${pattern.title}`,
    placeHolder: 'Which package?',
    matchOnDescription: true,
  });
  cancel.dispose();
  return choice?.choose();
}

async function askNewPackage(folder: vscode.WorkspaceFolder, pattern: Pattern): Promise<vscode.Uri | undefined> {
  const path = await vscode.window.showInputBox({
    title: `Insert ${pattern.title}`,
    prompt: `Folder of the new package below ${folder.name}`,
    value: `internal/${pattern.name}`,
    ignoreFocusOut: true,
    validateInput: (value) => folderPathProblem(value.trim()),
  });
  return path === undefined ? undefined : vscode.Uri.joinPath(folder.uri, ...path.trim().split('/'));
}

/** In a workspace of several folders, relative paths begin with the folder's name. */
function uriOf(relative: string, first: vscode.WorkspaceFolder): vscode.Uri {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [head = '', ...rest] = relative.split('/');
  const named = folders.length > 1 ? folders.find(({ name }) => name === head) : undefined;
  const parts = named ? rest : relative.split('/').filter(Boolean);
  return vscode.Uri.joinPath((named ?? first).uri, ...parts);
}

/** The name of the package in a folder, or undefined if it has no Go file that is not a test. */
async function packageIn(folder: vscode.Uri): Promise<string | undefined> {
  let names: string[];
  try {
    names = (await vscode.workspace.fs.readDirectory(folder)).map(([name]) => name);
  } catch {
    return undefined; // the folder does not exist yet
  }
  for (const name of names.filter((other) => other.endsWith('.go') && !other.endsWith('_test.go'))) {
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder, name));
    const head = parseGoHead(new TextDecoder().decode(bytes));
    if (head) {
      return head.packageName;
    }
  }
  return undefined;
}
