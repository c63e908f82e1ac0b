import type * as vscode from 'vscode';
import { ExtensionAssets } from './vscode/assets.ts';
import { CatalogueModel } from './vscode/catalogueModel.ts';
import type { Platform } from './vscode/folderFiles.ts';
import { InsertPattern } from './vscode/insertPattern.ts';
import { Log } from './vscode/log.ts';
import { Participant } from './vscode/participant.ts';
import { registerPatternCode } from './vscode/patternCode.ts';
import { PatternCompletion } from './vscode/patternCompletion.ts';
import { PatternFile } from './vscode/patternFile.ts';
import { Scaffolder } from './vscode/scaffold.ts';
import { registerUndoScaffold, ScaffoldJournal } from './vscode/scaffoldJournal.ts';
import { registerScaffoldPreview } from './vscode/scaffoldPreview.ts';
import { registerScaffoldTool } from './vscode/scaffoldTool.ts';
import { ScaffoldView } from './vscode/scaffoldView.ts';
import { registerStartView } from './vscode/startView.ts';
import { WatchedWorkspace } from './vscode/workspaceFacts.ts';

/**
 * Builds the object graph and registers the features. Reads nothing from disk: chat waits for it.
 * @param platform what only one of the two extension hosts can do.
 */
export function register(context: vscode.ExtensionContext, platform: Platform): void {
  const log = new Log();
  const assets = new ExtensionAssets(context.extensionUri);
  const journal = new ScaffoldJournal(context);
  const view = new ScaffoldView();
  const workspace = new WatchedWorkspace();
  const { extensionUri } = context;
  const now = () => new Date();
  const scaffolder = new Scaffolder(assets, platform, log, context.globalState, journal, view);
  const patternFile = new PatternFile({ workspace, extensionUri, platform });
  context.subscriptions.push(
    log,
    view,
    workspace,
    registerStartView(),
    scaffolder.register(),
    registerScaffoldPreview(assets),
    registerPatternCode(assets),
    registerUndoScaffold(journal, platform, log),
    new InsertPattern({ assets, patternFile }).register(),
    new PatternCompletion({ assets }).register(),
    ...registerScaffoldTool(scaffolder, platform),
    new Participant({ assets, workspace, extensionUri, log, now }).register(),
    new CatalogueModel({ assets, workspace, now }).register(),
  );
}
