import * as vscode from 'vscode';
import { foldersAbove } from '../core/files.ts';
import { journalEntry } from '../core/scaffold/journal.ts';
import { decodeOptions } from '../core/scaffold/options.ts';
import { type Plan, PlanError, planScaffold } from '../core/scaffold/plan.ts';
import { renderService } from '../core/scaffold/render.ts';
import { WriteError, type WriteResult, writePlan } from '../core/scaffold/write.ts';
import { type GoModGap, goModGap } from '../core/workspace/goModule.ts';
import type { ExtensionAssets } from './assets.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import type { Log } from './log.ts';
import { refuseInRestrictedMode } from './restrictedMode.ts';
import { askScaffold, type ScaffoldAnswers, type ScaffoldDefaults, type Target, targetUri } from './scaffoldInput.ts';
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
  async write(
    { target, options }: ScaffoldAnswers,
    plan: Plan,
    token?: vscode.CancellationToken,
  ): Promise<WriteResult> {
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
        const result = await this.write(answers, plan);
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
    const { requirements, goVersion } = await this.#goModGap({ target, options }, plan);
    const lacks = [
      ...(goVersion === undefined ? [] : [`go ${goVersion}`]),
      ...requirements.map((line) => line.split(' ')[0]),
    ];
    const outsideGoWork = result.files.includes(below(target.path, 'go.mod')) && (await this.#goWork(target));
    const next =
      lacks.length > 0
        ? ` Your go.mod lacks for it: ${lacks.slice(0, 4).join(', ')}${lacks.length > 4 ? ` and ${lacks.length - 4} more` : ''}.`
        : outsideGoWork
          ? ' Your go.work does not use it yet.'
          : ' Start it with "go run ./cmd/server".';
    const actions: Record<string, () => Thenable<unknown>> = {};
    if (folder.scheme === 'file' && lacks.length > 0) {
      actions['Run go mod tidy'] = async () => runInTerminal('go mod tidy', folder);
    } else if (folder.scheme === 'file' && outsideGoWork) {
      actions['Run go work use'] = async () => runInTerminal('go work use .', folder);
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

  /** What the go.mod that was there already lacks for the service. */
  async #goModGap({ target, options }: ScaffoldAnswers, plan: Plan): Promise<GoModGap> {
    const goMod = below(target.path, 'go.mod');
    if (!plan.skip.includes(goMod)) {
      return { requirements: [], goVersion: undefined };
    }
    const wanted = renderService(await this.#assets.service(), options).find(({ path }) => path === 'go.mod');
    const present = await new FolderFiles(target.base, this.#platform).read(goMod);
    return goModGap(wanted?.text ?? '', present ?? '');
  }

  /** Whether a go.work stands above the target: Go builds only the modules that it uses. */
  async #goWork(target: Target): Promise<boolean> {
    const files = new FolderFiles(target.base, this.#platform);
    const kinds = await Promise.all(
      ['go.work', ...foldersAbove(below(target.path, 'x')).map((folder) => `${folder}/go.work`)].map((path) =>
        files.kind(path),
      ),
    );
    return kinds.includes('file');
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

function runInTerminal(command: string, cwd: vscode.Uri): void {
  const terminal = vscode.window.createTerminal({ name: command, cwd });
  terminal.show();
  terminal.sendText(command);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
