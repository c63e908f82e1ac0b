import * as vscode from 'vscode';
import { journalEntry } from '../core/scaffold/journal.ts';
import { decodeOptions } from '../core/scaffold/options.ts';
import { type Plan, PlanError, planScaffold } from '../core/scaffold/plan.ts';
import { renderService } from '../core/scaffold/render.ts';
import { WriteError, type WriteResult, writePlan } from '../core/scaffold/write.ts';
import { missingRequirements } from '../core/workspace/goModule.ts';
import type { ExtensionAssets } from './assets.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import type { Log } from './log.ts';
import { refuseInRestrictedMode } from './restrictedMode.ts';
import { askScaffold, type ScaffoldAnswers, type ScaffoldDefaults, targetUri } from './scaffoldInput.ts';
import type { ScaffoldJournal } from './scaffoldJournal.ts';
import type { ScaffoldView } from './scaffoldView.ts';

const REMEMBERED = 'scaffold.options';

/** Asks what to scaffold, shows it, writes it, and remembers how to undo it. */
export class Scaffolder {
  readonly #assets: ExtensionAssets;
  readonly #platform: Platform;
  readonly #log: Log;
  readonly #memento: vscode.Memento;
  readonly #journal: ScaffoldJournal;
  readonly #view: ScaffoldView;

  constructor(
    assets: ExtensionAssets,
    platform: Platform,
    log: Log,
    memento: vscode.Memento,
    journal: ScaffoldJournal,
    view: ScaffoldView,
  ) {
    this.#assets = assets;
    this.#platform = platform;
    this.#log = log;
    this.#memento = memento;
    this.#journal = journal;
    this.#view = view;
  }

  /** Registers "Go Architect: Scaffold Service". */
  register(): vscode.Disposable {
    return vscode.commands.registerCommand('goArchitect.scaffoldService', async (argument?: unknown) => {
      try {
        if (!(await refuseInRestrictedMode())) {
          await this.#run(this.#defaultsOf(argument));
        }
      } catch (error) {
        await this.#showFault(error);
      }
    });
  }

  /** What would be written, without writing it. */
  async plan({ target, options }: ScaffoldAnswers): Promise<Plan> {
    const rendered = renderService(await this.#assets.service(), options);
    const placed = rendered.map(({ path, text }) => ({ path: below(target.path, path), text }));
    return planScaffold(placed, new FolderFiles(target.base, this.#platform));
  }

  /** Writes a plan: all of it or nothing. @throws WriteError after the clean-up. */
  async write({ target, options }: ScaffoldAnswers, plan: Plan, token: vscode.CancellationToken): Promise<WriteResult> {
    const files = new FolderFiles(target.base, this.#platform);
    const result = await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: `Scaffolding ${options.modulePath}`,
        cancellable: true,
      },
      (progress, stop) =>
        writePlan(plan, files, {
          isCancelled: () => stop.isCancellationRequested || token.isCancellationRequested,
          onProgress: (_, path) => progress.report({ message: path, increment: 100 / plan.create.length }),
        }),
    );
    const created = new Set(result.files);
    const entry = await journalEntry(
      target.base.toString(),
      options.modulePath,
      new Date().toISOString(),
      plan.create.filter(({ path }) => created.has(path)),
      result.folders,
    );
    if (result.files.length > 0) {
      await this.#journal.add(entry);
    }
    const skipped = [...plan.skip, ...result.skipped];
    this.#log.info(
      `Scaffolded ${options.modulePath}: created ${result.files.length} files, skipped ${skipped.length}.`,
    );
    for (const path of skipped) {
      this.#log.info(`Skipped, because it exists: ${path}`);
    }
    return { ...result, skipped };
  }

  /** An argument is a folder of the explorer, or options that were chosen in chat. */
  #defaultsOf(argument: unknown): ScaffoldDefaults {
    const remembered = decodeOptions(this.#memento.get<Record<string, unknown>>(REMEMBERED, {}));
    if (argument instanceof vscode.Uri) {
      return { options: { ...remembered, modulePath: '' }, folder: argument, decided: false };
    }
    if (typeof argument === 'object' && argument !== null) {
      const given = argument as Record<string, unknown>;
      return { options: decodeOptions(given), decided: given.decided === true };
    }
    return { options: { ...remembered, modulePath: '' }, decided: false };
  }

  async #run(defaults: ScaffoldDefaults): Promise<void> {
    for (let current = defaults; ; ) {
      const answers = await askScaffold(this.#platform, current);
      if (answers === undefined) {
        return;
      }
      const { components, layout } = answers.options;
      await this.#memento.update(REMEMBERED, { components: [...components], layout });
      const plan = await this.plan(answers);
      // Options decided in chat were previewed there.
      const decision = current.decided ? 'create' : await this.#view.show(plan, answers);
      if (decision === 'change') {
        current = { options: answers.options, folder: targetUri(answers.target), decided: false };
        continue;
      }
      if (decision === 'create') {
        const never = new vscode.CancellationTokenSource().token;
        const result = await this.write(answers, plan, never);
        await this.#report(answers, plan, result);
      }
      return;
    }
  }

  /** Says what was created and what was left alone, and offers the next step. */
  async #report({ target, options }: ScaffoldAnswers, plan: Plan, result: WriteResult): Promise<void> {
    const created = result.files.length === 0 ? 'Nothing to create.' : `Created ${count(result.files.length, 'file')}.`;
    const left = result.skipped.length === 0 ? '' : ` Left ${count(result.skipped.length, 'existing file')} alone.`;
    const folder = targetUri(target);
    const missing = await this.#missingRequirements({ target, options }, plan);
    const next =
      missing.length === 0
        ? ' Start it with "go run ./cmd/server".'
        : ` Your go.mod lacks ${count(missing.length, 'requirement')} of it: ${missing.join(', ')}.`;
    const actions: Record<string, () => Thenable<unknown>> = {};
    if (missing.length > 0 && folder.scheme === 'file') {
      actions['Run go mod tidy'] = async () => {
        const terminal = vscode.window.createTerminal({ name: 'go mod tidy', cwd: folder });
        terminal.show();
        terminal.sendText('go mod tidy');
      };
    }
    if (vscode.workspace.getWorkspaceFolder(folder) === undefined) {
      actions['Open Folder'] = () =>
        vscode.commands.executeCommand('vscode.openFolder', folder, { forceNewWindow: true });
    } else if (result.files.includes(below(target.path, 'README.md'))) {
      const readme = vscode.Uri.joinPath(folder, 'README.md');
      actions['Open README'] = () => vscode.commands.executeCommand('markdown.showPreview', readme);
    }
    if (result.skipped.length > 0) {
      actions['Show Skipped'] = async () => this.#log.show();
    }
    if (result.files.length > 0) {
      actions.Undo = () => vscode.commands.executeCommand('goArchitect.undoScaffold');
    }
    const choice = await vscode.window.showInformationMessage(`${created}${left}${next}`, ...Object.keys(actions));
    await actions[choice ?? '']?.();
  }

  /** The requirements of the service that the go.mod which was there already does not have. */
  async #missingRequirements({ target, options }: ScaffoldAnswers, plan: Plan): Promise<string[]> {
    const goMod = below(target.path, 'go.mod');
    if (!plan.skip.includes(goMod)) {
      return [];
    }
    const wanted = renderService(await this.#assets.service(), options).find(({ path }) => path === 'go.mod');
    const present = await new FolderFiles(target.base, this.#platform).read(goMod);
    return missingRequirements(wanted?.text ?? '', present ?? '');
  }

  async #showFault(error: unknown): Promise<void> {
    if (error instanceof WriteError && error.cancelled) {
      await vscode.window.showInformationMessage(error.message);
      return;
    }
    this.#log.error(error);
    const text = error instanceof Error ? error.message : String(error);
    const known = error instanceof WriteError || error instanceof PlanError;
    const choice = await vscode.window.showErrorMessage(
      known ? text : `The service could not be scaffolded: ${text}`,
      'Show Log',
    );
    if (choice !== undefined) {
      this.#log.show();
    }
  }
}

/** A path of the service, seen from the folder that the target is seen from. */
function below(folder: string, path: string): string {
  return folder === '' ? path : `${folder}/${path}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
