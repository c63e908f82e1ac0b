import * as vscode from 'vscode';
import { type ScaffoldReading, type Source, scaffoldAnswer } from '../core/chat/scaffoldAnswer.ts';
import { type Open, parseProposal, proposalPrompt } from '../core/chat/scaffoldProposal.ts';
import { fileTree } from '../core/scaffold/fileTree.ts';
import { defaultOptions, encodeOptions, type ScaffoldOptions } from '../core/scaffold/options.ts';
import { placeIn } from '../core/scaffold/place.ts';
import { renderService } from '../core/scaffold/render.ts';
import { parseScaffoldRequest } from '../core/scaffold/request.ts';
import { existingModule, fitToModule, modulePathNamed, suggestModulePath } from '../core/scaffold/suggest.ts';
import type { ExtensionAssets } from './assets.ts';
import { CATALOGUE_VENDOR } from './catalogueModel.ts';
import { FolderFiles } from './folderFiles.ts';
import { folderName } from './folderName.ts';
import type { Log } from './log.ts';
import { previewUri } from './scaffoldPreview.ts';
import { CANCELLED, streamText } from './streamText.ts';

// A model gets this long and this many characters to propose what the sentence leaves open.
const PATIENCE = 15_000;
const MAX_REPLY = 2000;

/** Answers /scaffold: what the sentence asks for, the tree with a preview of each file, and the buttons to go on. */
export async function showScaffold(
  assets: ExtensionAssets,
  log: Log,
  request: vscode.ChatRequest,
  stream: vscode.ChatResponseStream,
  token: vscode.CancellationToken,
): Promise<void> {
  const said = parseScaffoldRequest(request.prompt);
  const roots = vscode.workspace.workspaceFolders ?? [];
  const place = placeIn(
    request.prompt,
    roots.map(({ name }) => name),
  );
  const root = roots[place?.root ?? 0];
  const files = root && new FolderFiles(root.uri, {});
  const found = files && (await existingModule(files, place?.path ?? ''));
  const module = found?.ok ? found.value : undefined;
  const suggested = files ? await suggestModulePath(files, place?.path ?? '', root.name) : 'example.com/service';

  const open = new Set<Open>(
    (['modulePath', 'components', 'layout'] as const).filter((key) => said[key] === undefined),
  );
  if (place) {
    open.delete('modulePath'); // the folder has given it
  }
  const reply = await replyOf(request, open, stream, token, log);
  if (token.isCancellationRequested) {
    return;
  }
  const proposed = parseProposal(reply, open, (name) => modulePathNamed(name, suggested, module !== undefined));
  const chosen: ScaffoldOptions = { ...defaultOptions(suggested), ...proposed, ...said };
  // Only a folder that was named is known to be the one: its module stays.
  const options = place ? fitToModule(chosen, module) : chosen;
  const rendered = renderService(await assets.service(), options);
  const sourceOf = (key: Open): Source =>
    said[key] !== undefined ? 'sentence' : proposed[key] !== undefined ? 'model' : 'default';
  const isFitted = place !== undefined && options.modulePath === module?.path;
  const target = root && place && vscode.Uri.joinPath(root.uri, ...place.path.split('/'));
  const reading: ScaffoldReading = {
    options,
    sources: {
      modulePath: isFitted ? 'module' : sourceOf('modulePath'),
      components: sourceOf('components'),
      layout: sourceOf('layout'),
    },
    folder: target && folderName(target),
    model: request.model.name,
    files: rendered.length,
  };
  stream.markdown(scaffoldAnswer(reading));
  const { modulePath, ...others } = options;
  const argument = {
    ...others,
    components: [...options.components],
    ...(target ? { folder: target.toString() } : {}),
    // What was only suggested for the first folder is suggested again for the one that is chosen.
    ...(target || reading.sources.modulePath !== 'default' ? { modulePath } : {}),
    isProposed: reading.sources.modulePath === 'model',
  };
  const command = 'goArchitect.scaffoldService';
  stream.button({ command, title: 'Create', arguments: [{ ...argument, decided: true }] });
  stream.button({ command, title: 'Change Options', arguments: [argument] });
  // Last, since chat unfolds all of it.
  stream.filetree(fileTree(rendered.map(({ path }) => path)), previewUri('', encodeOptions(options)));
}

/** What the chosen model proposes for what the sentence leaves open; empty if there is nothing to ask or no answer. */
async function replyOf(
  { model, prompt }: vscode.ChatRequest,
  open: ReadonlySet<Open>,
  stream: vscode.ChatResponseStream,
  token: vscode.CancellationToken,
  log: Log,
): Promise<string> {
  if (model.vendor === CATALOGUE_VENDOR || open.size === 0 || prompt.trim() === '') {
    return '';
  }
  stream.progress(`Asking ${model.name} for what the request leaves open`);
  const stop = new vscode.CancellationTokenSource();
  const timer = setTimeout(() => stop.cancel(), PATIENCE);
  const listening = token.onCancellationRequested(() => stop.cancel());
  const chunks = async function* () {
    const message = vscode.LanguageModelChatMessage.User(proposalPrompt(prompt, open));
    const justification = 'Go Architect asks it for what your request leaves open.';
    yield* (await model.sendRequest([message], { justification }, stop.token)).text;
  };
  let length = 0;
  const limit = (text: string) => {
    length += text.length;
    if (length > MAX_REPLY) {
      stop.cancel();
    }
  };
  try {
    const reply = await streamText(chunks(), limit, stop.token);
    return reply === CANCELLED ? '' : reply;
  } catch (error) {
    log.info(`The model proposed nothing for /scaffold: ${error instanceof Error ? error.message : String(error)}`);
    return '';
  } finally {
    clearTimeout(timer);
    listening.dispose();
    stop.dispose();
  }
}
