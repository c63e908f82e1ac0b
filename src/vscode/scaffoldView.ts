import * as vscode from 'vscode';
import { type FileTree, filesIn, fileTree } from '../core/scaffold/fileTree.ts';
import { encodeOptions } from '../core/scaffold/options.ts';
import type { Plan } from '../core/scaffold/plan.ts';
import { count } from '../core/words.ts';
import { folderName } from './folderName.ts';
import { inTarget, type ScaffoldAnswers, targetUri } from './scaffoldInput.ts';
import { previewUri } from './scaffoldPreview.ts';

const VIEW = 'goArchitect.scaffoldPreview';

/** What the user decides when they have seen what would be written. */
export type PreviewDecision = 'create' | 'change' | 'cancel';

interface Node extends FileTree {
  readonly path: string;
  readonly children?: Node[];
}

/** The view that shows what would be written: a tree whose files open as read-only documents. */
export class ScaffoldView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.#changed.event;
  #view: vscode.TreeView<Node> | undefined;
  readonly #disposables: vscode.Disposable[];
  #roots: Node[] = [];
  #skipped: ReadonlySet<string> = new Set();
  #target: vscode.Uri | undefined;
  #query = '';
  #decide: ((decision: PreviewDecision) => void) | undefined;

  constructor() {
    const decide = (decision: PreviewDecision) => () => this.#decide?.(decision);
    this.#disposables = [
      this.#changed,
      vscode.commands.registerCommand('goArchitect.scaffoldPreview.create', decide('create')),
      vscode.commands.registerCommand('goArchitect.scaffoldPreview.change', decide('change')),
      vscode.commands.registerCommand('goArchitect.scaffoldPreview.cancel', decide('cancel')),
    ];
  }

  dispose(): void {
    this.#view?.dispose();
    for (const disposable of this.#disposables) {
      disposable.dispose();
    }
  }

  /** Shows a plan and waits for the decision; a plan shown before is cancelled. */
  async show(plan: Plan, { target, options }: ScaffoldAnswers): Promise<PreviewDecision> {
    this.#decide?.('cancel');
    const { promise: decision, resolve } = Promise.withResolvers<PreviewDecision>();
    this.#decide = resolve;
    const skip = plan.skip.map((path) => inTarget(target, path));
    this.#skipped = new Set(skip);
    this.#target = targetUri(target);
    this.#query = encodeOptions(options);
    this.#roots = withPaths(fileTree([...plan.create.map(({ path }) => inTarget(target, path)), ...skip]), '');
    const skipped = skip.length === 0 ? '' : ` Leaves ${count(skip.length, 'existing file')} alone.`;
    // Created when it is first needed: activation has nothing to show.
    this.#view ??= vscode.window.createTreeView(VIEW, { treeDataProvider: this, showCollapseAll: true });
    this.#view.message = `${options.modulePath} in ${folderName(this.#target)}: ${count(plan.create.length, 'file')} to create.${skipped} Open a file to read it. The check mark above creates, the cross cancels.`;
    this.#changed.fire();
    await vscode.commands.executeCommand('setContext', VIEW, true);
    await vscode.commands.executeCommand(`${VIEW}.focus`);
    const decided = await decision;
    // Another plan may be on show by now.
    if (this.#decide === resolve) {
      this.#decide = undefined;
      await vscode.commands.executeCommand('setContext', VIEW, false);
    }
    return decided;
  }

  getChildren(node?: Node): Node[] {
    return node ? (node.children ?? []) : this.#roots;
  }

  getTreeItem({ name, path, children }: Node): vscode.TreeItem {
    if (children) {
      const item = new vscode.TreeItem(name, vscode.TreeItemCollapsibleState.Collapsed);
      item.iconPath = vscode.ThemeIcon.Folder;
      const all = filesIn(children);
      const fresh = all.filter((file) => !this.#skipped.has(file.path)).length;
      item.description = fresh === all.length ? `${fresh}` : `${fresh} of ${all.length}`;
      item.tooltip = `${path}: ${fresh} of ${count(all.length, 'file')} to create`;
      item.accessibilityInformation = { label: `${name}, folder, ${fresh} of ${count(all.length, 'file')} to create` };
      return item;
    }
    const exists = this.#skipped.has(path);
    const uri =
      exists && this.#target ? vscode.Uri.joinPath(this.#target, ...path.split('/')) : previewUri(path, this.#query);
    const item = new vscode.TreeItem(uri, vscode.TreeItemCollapsibleState.None);
    item.label = name;
    item.iconPath = vscode.ThemeIcon.File;
    item.description = exists ? 'exists, skipped' : this.#skipped.size > 0 ? 'new' : '';
    item.tooltip = exists ? `${path} exists already and is left alone` : `${path} will be created`;
    item.accessibilityInformation = {
      label: exists ? `${name}, exists already, left alone` : `${name}, will be created`,
    };
    item.command = { command: 'vscode.open', title: 'Open', arguments: [uri, { preview: true }] };
    return item;
  }
}

function withPaths(nodes: readonly FileTree[], above: string): Node[] {
  return nodes.map(({ name, children }) => {
    const path = `${above}${name}`;
    return children ? { name, path, children: withPaths(children, `${path}/`) } : { name, path };
  });
}
