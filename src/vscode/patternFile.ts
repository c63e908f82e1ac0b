import * as vscode from 'vscode';
import type { Pattern } from '../core/catalogue/catalogue.ts';
import { fileClashesOf } from '../core/catalogue/patternInsertion.ts';
import { importsOf, parseGoHead } from '../core/go/file.ts';
import { isStandard } from '../core/go/imports.ts';
import { goFileFor, packageFolderProblem, packageNameFor, packageOf, scopeOf } from '../core/go/package.ts';
import { folderPathProblem } from '../core/scaffold/folder.ts';
import { PlanError, planScaffold } from '../core/scaffold/plan.ts';
import type { RenderedFile } from '../core/scaffold/render.ts';
import { WriteError, writePlan } from '../core/scaffold/write.ts';
import { listed } from '../core/words.ts';
import { cancellableIfSlow } from './cancellable.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { goFilesIn } from './goFolder.ts';
import { offerLibraries } from './libraries.ts';
import { refuseInRestrictedMode } from './restrictedMode.ts';
import { readWorkspaceFacts } from './workspaceFacts.ts';

/** What creating a pattern's file needs. */
export interface PatternFileNeeds {
  readonly extensionUri: vscode.Uri;
  readonly platform: Platform;
}

/** A folder of a workspace folder. */
interface PackageFolder {
  readonly root: vscode.WorkspaceFolder;
  /** Relative to the root, "" for the root itself. */
  readonly path: string;
}

/** Nothing was written; the message says why and what to do. */
class Refusal extends Error {}

/** Puts a pattern into a file of its own: with its test where the package is new, both or neither. */
export class PatternFile {
  readonly #needs: PatternFileNeeds;

  constructor(needs: PatternFileNeeds) {
    this.#needs = needs;
  }

  /** Asks for the package, creates the file and shows it; says why where it cannot. */
  async create(pattern: Pattern): Promise<void> {
    if (await refuseInRestrictedMode()) {
      return;
    }
    const folder = await pickPackage(pattern);
    if (folder === undefined) {
      return;
    }
    try {
      const path = await cancellableIfSlow(`Creating ${pattern.name}.go`, (signal) =>
        this.#write(pattern, folder, signal),
      );
      const uri = vscode.Uri.joinPath(folder.root.uri, path);
      await vscode.window.showTextDocument(uri);
      await offerLibraries(pattern, uri);
    } catch (error) {
      if (error instanceof vscode.CancellationError) {
        return;
      }
      if (!(error instanceof Refusal || error instanceof PlanError || error instanceof WriteError)) {
        throw error;
      }
      const again = 'Choose Another Package…';
      const why = `${pattern.title} was not created. ${error.message}`;
      if ((await vscode.window.showErrorMessage(why, again)) === again) {
        await this.create(pattern);
      }
    }
  }

  /** @returns the path of the file below the workspace folder. */
  async #write(pattern: Pattern, { root, path }: PackageFolder, signal: AbortSignal): Promise<string> {
    const present = await goFilesIn(vscode.Uri.joinPath(root.uri, path), signal);
    const { name, conflicting } = packageOf(present);
    if (conflicting.length > 0) {
      throw new Refusal(`${path || root.name} holds packages ${listed(conflicting, 3)}, and Go builds none of them.`);
    }
    const packageName = name ?? packageNameFor(path.split('/').at(-1) || root.name);
    const clashes = fileClashesOf(pattern, scopeOf(present, packageName));
    if (clashes.length > 0) {
      const names = clashes.map((clash) => `${clash.name} (${clash.file})`);
      throw new Refusal(`Package ${packageName} has names that it needs: ${listed(names, 3)}.`);
    }
    const code = `${path === '' ? '' : `${path}/`}${pattern.name}.go`;
    const files: RenderedFile[] = [{ path: code, text: goFileFor(pattern.source, packageName, name === undefined) }];
    const test = name === undefined ? await this.#testOf(pattern) : undefined;
    if (test !== undefined) {
      files.push({ path: code.replace(/\.go$/, '_test.go'), text: goFileFor(test, packageName, true) });
    }
    const target = new FolderFiles(root.uri, this.#needs.platform);
    const plan = await planScaffold(files, target, signal);
    if (plan.skip.length > 0) {
      throw new Refusal(`${listed(plan.skip, 2)} exists already, and nothing is overwritten.`);
    }
    const isCancelled = () => signal.aborted;
    const { files: written, skipped } = await writePlan(plan, target, { isCancelled, onProgress: () => {} });
    if (skipped.length > 0) {
      const beside = written.length > 0 ? ` Only ${listed(written, 2)} was created.` : '';
      throw new Refusal(`${listed(skipped, 2)} appeared in the meantime, and nothing is overwritten.${beside}`);
    }
    return code;
  }

  /** The pattern's test; undefined if it needs the catalogue's own helpers or a server, and so stays where those are. */
  async #testOf({ sourcePath }: Pattern): Promise<string | undefined> {
    const uri = vscode.Uri.joinPath(this.#needs.extensionUri, sourcePath.replace(/\.go$/, '_test.go'));
    const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
    const head = parseGoHead(text);
    return head && importsOf(head).every(({ path }) => isStandard(path)) ? text : undefined;
  }
}

interface PackageItem extends vscode.QuickPickItem {
  readonly choose: () => Promise<PackageFolder | undefined>;
}

async function pickPackage(pattern: Pattern): Promise<PackageFolder | undefined> {
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
          choose: async () => folderOf(relative, first),
        };
      }),
    ),
  ]);
  const choice = await vscode.window.showQuickPick(items, {
    title: `Insert ${pattern.title}`,
    placeHolder: 'Which package?',
    matchOnDescription: true,
  });
  cancel.cancel();
  cancel.dispose();
  return choice?.choose();
}

async function askNewPackage(root: vscode.WorkspaceFolder, pattern: Pattern): Promise<PackageFolder | undefined> {
  const path = await vscode.window.showInputBox({
    title: `Insert ${pattern.title}`,
    prompt: `Folder of the new package below ${root.name}`,
    value: `internal/${pattern.name}`,
    ignoreFocusOut: true,
    validateInput: (value) => folderPathProblem(value.trim()) ?? packageFolderProblem(value.trim()),
  });
  return path === undefined ? undefined : { root, path: path.trim() };
}

/** In a workspace of several folders, relative paths begin with the folder's name. */
function folderOf(relative: string, first: vscode.WorkspaceFolder): PackageFolder {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [head = '', ...rest] = relative.split('/');
  const named = folders.length > 1 ? folders.find(({ name }) => name === head) : undefined;
  return named ? { root: named, path: rest.join('/') } : { root: first, path: relative };
}
