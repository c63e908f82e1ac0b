import * as vscode from 'vscode';
import { foldersAbove } from '../core/files.ts';
import { type GoModGap, goModGap } from '../core/go/goMod.ts';
import { journalEntry } from '../core/scaffold/journal.ts';
import { decodeOptions, encodeOptions } from '../core/scaffold/options.ts';
import { type Plan, PlanError, planScaffold } from '../core/scaffold/plan.ts';
import { renderService } from '../core/scaffold/render.ts';
import { nextCommand, type Outcome, outcomeText } from '../core/scaffold/report.ts';
import { WriteError, type WriteResult, writePlan } from '../core/scaffold/write.ts';
import type { ExtensionAssets } from './assets.ts';
import { cancellableIfSlow } from './cancellable.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { folderName } from './folderName.ts';
import type { Log } from './log.ts';
import { refuseInRestrictedMode } from './restrictedMode.ts';
import { askScaffold, type ScaffoldAnswers, type ScaffoldDefaults, type Target, targetUri } from './scaffoldInput.ts';
import type { ScaffoldJournal } from './scaffoldJournal.ts';
import { closePreviews } from './scaffoldPreview.ts';
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

  /** Registers "Go Architect: Scaffold Service"; the command returns the message that it ended with. */
  register(): vscode.Disposable {
    return vscode.commands.registerCommand('goArchitect.scaffoldService', async (argument?: unknown) => {
      try {
        return (await refuseInRestrictedMode()) ? undefined : await this.#run(this.#defaultsOf(argument));
      } catch (error) {
        return this.#showFault(error);
      }
    });
  }

  /** What would be written, without writing it. */
  async plan({ target, options }: ScaffoldAnswers, signal: AbortSignal): Promise<Plan> {
    const rendered = renderService(await this.#assets.service(), options);
    const placed = rendered.map(({ path, text }) => ({ path: below(target.path, path), text }));
    return planScaffold(placed, new FolderFiles(target.base, this.#platform), signal);
  }

  /** Writes a plan: all of it or nothing. @throws WriteError after the clean-up. */
  async write(
    { target, options }: ScaffoldAnswers,
    plan: Plan,
    token?: vscode.CancellationToken,
  ): Promise<ScaffoldResult> {
    const files = new FolderFiles(target.base, this.#platform);
    const result = await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: `Scaffolding ${options.modulePath}`,
        cancellable: true,
      },
      (progress, stop) =>
        writePlan(plan, files, {
          isCancelled: () => stop.isCancellationRequested || token?.isCancellationRequested === true,
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
    let undoable = result.files.length > 0;
    if (undoable) {
      try {
        await this.#journal.add(entry);
      } catch (error) {
        // The service stands; only the way back is lost.
        this.#log.error(error);
        undoable = false;
      }
    }
    const skipped = [...plan.skip, ...result.skipped];
    this.#log.info(
      `Scaffolded ${options.modulePath}: created ${result.files.length} files, skipped ${skipped.length}.`,
    );
    for (const path of skipped) {
      this.#log.info(`Skipped, because it exists: ${path}`);
    }
    return { ...result, skipped, undoable };
  }

  /** An argument is a folder of the explorer, or options that were chosen in chat. */
  #defaultsOf(argument: unknown): ScaffoldDefaults {
    const remembered = decodeOptions(this.#memento.get<Record<string, unknown>>(REMEMBERED, {}));
    if (argument instanceof vscode.Uri) {
      return { options: { ...remembered, modulePath: '' }, folder: argument, decided: false };
    }
    if (typeof argument === 'object' && argument !== null) {
      return chosenInChat(argument as Record<string, unknown>);
    }
    return { options: { ...remembered, modulePath: '' }, decided: false };
  }

  async #run(defaults: ScaffoldDefaults): Promise<string | undefined> {
    for (let current = defaults; ; ) {
      const answers = await askScaffold(this.#platform, current);
      if (answers === undefined) {
        return undefined;
      }
      const { components, layout } = answers.options;
      await this.#memento.update(REMEMBERED, { components: [...components], layout });
      const folder = targetUri(answers.target);
      const plan = await cancellableIfSlow(`Looking at what exists in ${folderName(folder)}`, (signal) =>
        this.plan(answers, signal),
      );
      // What was decided in chat was previewed there, but for what exists; and where all exists, nothing is decided.
      const isClear = plan.create.length === 0 || (current.decided && plan.skip.length === 0);
      const decision = isClear ? 'create' : await this.#view.show(plan, answers);
      await closePreviews(encodeOptions(answers.options));
      if (decision === 'change') {
        current = { options: answers.options, folder, decided: false };
        continue;
      }
      if (decision === 'cancel') {
        return undefined;
      }
      // Looked up before the writing: a fault here must not read as if the writing had failed.
      const gap = await this.goModGap(answers, plan);
      const createsModule = plan.create.some(({ path }) => path === below(answers.target.path, 'go.mod'));
      const outsideGoWork = createsModule && (await this.#hasGoWork(answers.target));
      const result = await this.write(answers, plan);
      const outcome = { created: result.files.length, skipped: result.skipped.length, gap, outsideGoWork };
      return this.#report(answers.target, outcome, result);
    }
  }

  /** Says what was created and what was left alone, and offers the next step. */
  async #report(target: Target, outcome: Outcome, result: ScaffoldResult): Promise<string> {
    const folder = targetUri(target);
    const isInWorkspace = vscode.workspace.getWorkspaceFolder(folder) !== undefined;
    if (isInWorkspace && outcome.created > 0) {
      // The preview, which had the focus, is gone.
      await vscode.commands.executeCommand('revealInExplorer', folder);
    }
    const actions: Record<string, () => Thenable<unknown>> = {};
    const next = nextCommand(outcome, folder.scheme);
    if (next) {
      actions[next.label] = async () => runInTerminal(next.command, folder);
    }
    if (!isInWorkspace) {
      actions['Open Folder'] = () =>
        vscode.commands.executeCommand('vscode.openFolder', folder, { forceNewWindow: true });
    } else if (result.files.includes(below(target.path, 'README.md'))) {
      const readme = vscode.Uri.joinPath(folder, 'README.md');
      actions['Open README'] = () => vscode.commands.executeCommand('markdown.showPreview', readme);
    }
    if (result.skipped.length > 0) {
      actions['Show Skipped'] = async () => this.#log.show();
    }
    if (result.undoable) {
      actions.Undo = () => vscode.commands.executeCommand('goArchitect.undoScaffold');
    }
    const text = outcomeText(outcome);
    const choice = await vscode.window.showInformationMessage(text, ...Object.keys(actions));
    await actions[choice ?? '']?.();
    return text;
  }

  /** What the go.mod that was there already lacks for the service. */
  async goModGap({ target, options }: ScaffoldAnswers, plan: Plan): Promise<GoModGap> {
    const goMod = below(target.path, 'go.mod');
    if (!plan.skip.includes(goMod)) {
      return { requirements: [], goVersion: undefined };
    }
    const wanted = renderService(await this.#assets.service(), options).find(({ path }) => path === 'go.mod');
    const present = await new FolderFiles(target.base, this.#platform).read(goMod);
    return goModGap(wanted?.text ?? '', present ?? '');
  }

  /** Whether a go.work stands above the target: Go builds only the modules that it uses. */
  async #hasGoWork(target: Target): Promise<boolean> {
    const files = new FolderFiles(target.base, this.#platform);
    const kinds = await Promise.all(
      ['go.work', ...foldersAbove(below(target.path, 'x')).map((folder) => `${folder}/go.work`)].map((path) =>
        files.kind(path),
      ),
    );
    return kinds.includes('file');
  }

  /** Shows what went wrong; nothing where the user has stopped the reading. */
  async #showFault(error: unknown): Promise<string | undefined> {
    if (error instanceof vscode.CancellationError) {
      return undefined;
    }
    if (error instanceof WriteError && error.cancelled) {
      await vscode.window.showInformationMessage(error.message);
      return error.message;
    }
    if (error instanceof PlanError) {
      await vscode.window.showWarningMessage(error.message);
      return error.message;
    }
    this.#log.error(error);
    const fault = error instanceof Error ? error.message : String(error);
    const text = error instanceof WriteError ? fault : `The service could not be scaffolded: ${fault}`;
    if ((await vscode.window.showErrorMessage(text, 'Show Log')) !== undefined) {
      this.#log.show();
    }
    return text;
  }
}

/** What was written, and whether it can be undone later. */
export interface ScaffoldResult extends WriteResult {
  readonly undoable: boolean;
}

/** What a button of a chat answer passes on. */
function chosenInChat(given: Record<string, unknown>): ScaffoldDefaults {
  const folder = typeof given.folder === 'string' ? vscode.Uri.parse(given.folder) : undefined;
  return {
    options: decodeOptions(given),
    // The workspace may be another one by now.
    ...(folder && vscode.workspace.getWorkspaceFolder(folder) ? { folder } : {}),
    decided: given.decided === true,
    isProposed: given.isProposed === true,
  };
}

/** A path of the service, seen from the folder that the target is seen from. */
function below(folder: string, path: string): string {
  return folder === '' ? path : `${folder}/${path}`;
}

function runInTerminal(command: string, cwd: vscode.Uri): void {
  const terminal = vscode.window.createTerminal({ name: command, cwd });
  terminal.show();
  terminal.sendText(command);
}
