import * as vscode from 'vscode';
import { PlanError, planScaffold } from '../core/scaffold/plan.ts';
import { renderService } from '../core/scaffold/render.ts';
import { WriteError, type WriteResult, writePlan } from '../core/scaffold/write.ts';
import type { ExtensionAssets } from './assets.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { refuseInRestrictedMode } from './restrictedMode.ts';
import { askScaffold, type ScaffoldAnswers } from './scaffoldInput.ts';

/** Registers "Go Architect: Scaffold Service". */
export function registerScaffold(
  assets: ExtensionAssets,
  platform: Platform,
  log: vscode.LogOutputChannel,
): vscode.Disposable {
  return vscode.commands.registerCommand('goArchitect.scaffoldService', async (argument?: unknown) => {
    try {
      if (await refuseInRestrictedMode()) {
        return;
      }
      const answers = await askScaffold(platform, argument);
      if (answers) {
        await scaffold(assets, platform, log, answers);
      }
    } catch (error) {
      await showFault(log, error);
    }
  });
}

async function scaffold(
  assets: ExtensionAssets,
  platform: Platform,
  log: vscode.LogOutputChannel,
  { target, modulePath }: ScaffoldAnswers,
): Promise<void> {
  const files = new FolderFiles(target, platform);
  const { result, skipped } = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Scaffolding ${modulePath}`, cancellable: true },
    async (progress, token) => {
      const rendered = renderService(await assets.service(), { modulePath });
      const plan = await planScaffold(rendered, files);
      const result = await writePlan(plan, files, {
        isCancelled: () => token.isCancellationRequested,
        onProgress: (_, path) => progress.report({ message: path, increment: 100 / plan.create.length }),
      });
      return { result, skipped: [...plan.skip, ...result.skipped] };
    },
  );
  log.info(`Scaffolded ${modulePath}: created ${result.files.length} files, skipped ${skipped.length}.`);
  for (const path of skipped) {
    log.info(`Skipped, because it exists: ${path}`);
  }
  await report(target, log, result, skipped);
}

/** Says what was created and what was left alone, and offers the next step. */
async function report(
  target: vscode.Uri,
  log: vscode.LogOutputChannel,
  result: WriteResult,
  skipped: readonly string[],
): Promise<void> {
  const openReadme = 'Open README';
  const openFolder = 'Open Folder';
  const showSkipped = 'Show Skipped';
  const created = result.files.length === 0 ? 'Nothing to create.' : `Created ${count(result.files.length, 'file')}.`;
  const left = skipped.length === 0 ? '' : ` Left ${count(skipped.length, 'existing file')} alone.`;
  const inWorkspace = vscode.workspace.getWorkspaceFolder(target) !== undefined;
  const choice = await vscode.window.showInformationMessage(
    `${created}${left} Start it with "go run ./cmd/server".`,
    inWorkspace ? openReadme : openFolder,
    ...(skipped.length === 0 ? [] : [showSkipped]),
  );
  if (choice === openReadme) {
    await vscode.commands.executeCommand('markdown.showPreview', vscode.Uri.joinPath(target, 'README.md'));
  } else if (choice === openFolder) {
    await vscode.commands.executeCommand('vscode.openFolder', target, { forceNewWindow: true });
  } else if (choice === showSkipped) {
    log.show();
  }
}

async function showFault(log: vscode.LogOutputChannel, error: unknown): Promise<void> {
  if (error instanceof WriteError && error.cancelled) {
    await vscode.window.showInformationMessage(error.message);
    return;
  }
  log.error(error instanceof Error ? error : String(error));
  const text = error instanceof Error ? error.message : String(error);
  const known = error instanceof WriteError || error instanceof PlanError;
  const choice = await vscode.window.showErrorMessage(
    known ? text : `The service could not be scaffolded: ${text}`,
    'Show Log',
  );
  if (choice !== undefined) {
    log.show();
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
