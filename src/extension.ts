import type * as vscode from 'vscode';
import { ExtensionAssets } from './vscode/assets.ts';
import { registerCatalogueModel } from './vscode/catalogueModel.ts';
import type { Platform } from './vscode/folderFiles.ts';
import { InsertPattern } from './vscode/insertPattern.ts';
import { Log } from './vscode/log.ts';
import { registerParticipant } from './vscode/participant.ts';
import { registerPatternCode } from './vscode/patternCode.ts';
import { PatternCompletion } from './vscode/patternCompletion.ts';
import { PatternFile } from './vscode/patternFile.ts';
import { Scaffolder } from './vscode/scaffold.ts';
import { registerUndoScaffold, ScaffoldJournal } from './vscode/scaffoldJournal.ts';
import { registerScaffoldPreview } from './vscode/scaffoldPreview.ts';
import { registerScaffoldTool } from './vscode/scaffoldTool.ts';
import { ScaffoldView } from './vscode/scaffoldView.ts';
import { registerStartView } from './vscode/startView.ts';

/**
 * Builds the object graph and registers the features. Reads nothing from disk: chat waits for it.
 * @param platform what only one of the two extension hosts can do.
 */
export function register(context: vscode.ExtensionContext, platform: Platform): void {
  const log = new Log();
  const assets = new ExtensionAssets(context.extensionUri);
  const journal = new ScaffoldJournal(context);
  const view = new ScaffoldView();
  const scaffolder = new Scaffolder(assets, platform, log, context.globalState, journal, view);
  const patternFile = new PatternFile({ extensionUri: context.extensionUri, platform });
  context.subscriptions.push(
    log,
    view,
    registerStartView(),
    scaffolder.register(),
    registerScaffoldPreview(assets),
    registerPatternCode(assets),
    registerUndoScaffold(journal, platform, log),
    new InsertPattern({ assets, patternFile }).register(),
    new PatternCompletion({ assets }).register(),
    ...registerScaffoldTool(scaffolder, platform),
    ...registerParticipant(assets, context.extensionUri, log),
    ...registerCatalogueModel(assets),
  );
}
