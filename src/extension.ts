import * as vscode from 'vscode';
import { ExtensionAssets } from './vscode/assets.ts';
import { registerCatalogueModel } from './vscode/catalogueModel.ts';
import type { Platform } from './vscode/folderFiles.ts';
import { registerInsertPattern } from './vscode/insertPattern.ts';
import { registerParticipant } from './vscode/participant.ts';
import { registerScaffold } from './vscode/scaffold.ts';
import { registerScaffoldPreview } from './vscode/scaffoldPreview.ts';

/**
 * Builds the object graph and registers the features. Reads nothing from disk: chat waits for it.
 * @param platform what only one of the two extension hosts can do.
 */
export function register(context: vscode.ExtensionContext, platform: Platform): void {
  const log = vscode.window.createOutputChannel('Go Architect', { log: true });
  const assets = new ExtensionAssets(context.extensionUri);
  context.subscriptions.push(
    log,
    registerScaffold(assets, platform, log),
    registerScaffoldPreview(assets),
    registerInsertPattern(assets, context.extensionUri, platform),
    ...registerParticipant(assets, context.extensionUri, log),
    ...registerCatalogueModel(assets),
  );
}
