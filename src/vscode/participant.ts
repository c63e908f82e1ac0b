import * as vscode from 'vscode';
import { catalogueAnswer, entriesFor, patternEntry } from '../core/chat/catalogueAnswer.ts';
import type { Command } from '../core/chat/commands.ts';
import { classifyFailure, type Failure, failureOf } from '../core/chat/failures.ts';
import { followUpsFor } from '../core/chat/followUps.ts';
import { helpText } from '../core/chat/help.ts';
import { composePrompt, type Message } from '../core/chat/prompt.ts';
import { catalogueAttachments, fullInstructions, requestText } from '../core/chat/requestParts.ts';
import { describeWorkspace, type WorkspaceFacts } from '../core/workspace/facts.ts';
import type { ExtensionAssets, Knowledge } from './assets.ts';
import { CATALOGUE_VENDOR } from './catalogueModel.ts';
import { historyOf } from './history.ts';
import type { Log } from './log.ts';
import { showCodeButton } from './patternCode.ts';
import { type ResolvedReferences, resolveReferences } from './references.ts';
import { showScaffold } from './scaffoldChat.ts';
import { CANCELLED, streamText } from './streamText.ts';
import { today } from './today.ts';
import { readWorkspaceFacts } from './workspaceFacts.ts';

const PARTICIPANT_ID = 'go-architect.architect';

/** One request of the user with what is needed to answer it. */
interface Turn {
  readonly request: vscode.ChatRequest;
  readonly context: vscode.ChatContext;
  readonly stream: vscode.ChatResponseStream;
  readonly token: vscode.CancellationToken;
  readonly knowledge: Knowledge;
  readonly command: Command | undefined;
  readonly facts: WorkspaceFacts;
}

/** Registers @go-architect. Editors without participants keep the snippets and the commands. */
export function registerParticipant(assets: ExtensionAssets, extensionUri: vscode.Uri, log: Log): vscode.Disposable[] {
  const participant = vscode.chat?.createChatParticipant?.(PARTICIPANT_ID, (request, context, stream, token) =>
    answer(assets, extensionUri, log, request, context, stream, token),
  );
  if (!participant) {
    log.info('This editor has no chat participants: @go-architect is not available, snippets and commands are.');
    return [];
  }
  participant.iconPath = vscode.Uri.joinPath(extensionUri, 'media', 'icon.png');
  participant.followupProvider = {
    async provideFollowups(result) {
      if (result.errorDetails) {
        return [];
      }
      const { commands } = await assets.knowledge();
      return [...followUpsFor(commands.get(String(result.metadata?.command)))];
    },
  };
  const feedback = participant.onDidReceiveFeedback?.(({ kind, result }) => {
    const verdict = kind === vscode.ChatResultFeedbackKind.Helpful ? 'helpful' : 'unhelpful';
    log.info(`Feedback: ${verdict}, command: ${String(result.metadata?.command ?? 'none')}`);
  });
  return feedback ? [participant, feedback] : [participant];
}

async function answer(
  assets: ExtensionAssets,
  extensionUri: vscode.Uri,
  log: Log,
  request: vscode.ChatRequest,
  context: vscode.ChatContext,
  stream: vscode.ChatResponseStream,
  token: vscode.CancellationToken,
): Promise<vscode.ChatResult> {
  const metadata = { command: request.command ?? '' };
  try {
    if (request.command === 'scaffold') {
      await showScaffold(assets, log, request, stream, token);
      return { metadata };
    }
    stream.progress('Reading the workspace');
    const [knowledge, facts] = await Promise.all([assets.knowledge(), readWorkspaceFacts(token)]);
    const command = knowledge.commands.get(request.command ?? '');
    const turn: Turn = { request, context, stream, token, knowledge, command, facts };
    if (token.isCancellationRequested) {
      return { metadata };
    }
    const failure = await answerTurn(turn, extensionUri);
    return failure ? { metadata: { ...metadata, failure: failure.kind }, errorDetails: failure } : { metadata };
  } catch (error) {
    if (token.isCancellationRequested || error instanceof vscode.CancellationError) {
      return { metadata };
    }
    log.error(error);
    const failure = classifyFailure(error);
    return { metadata: { ...metadata, failure: failure.kind }, errorDetails: { message: failure.message } };
  }
}

/** Answers without a model where none is needed, from the catalogue where it is the model, else with the model. */
async function answerTurn(turn: Turn, extensionUri: vscode.Uri): Promise<Failure | undefined> {
  const { request, stream, knowledge, command, facts } = turn;
  const question = { command, request: request.prompt, facts, today: today() };
  const nothingAsked = request.prompt.trim() === '' && request.references.length === 0;
  if (nothingAsked && command === undefined) {
    stream.markdown(helpText(knowledge.commands, knowledge.catalogue));
    return undefined;
  }
  const listPatterns = nothingAsked && command?.name === 'pattern';
  if (listPatterns || request.model.vendor === CATALOGUE_VENDOR) {
    const { markdown, entries, code } = catalogueAnswer(question, knowledge.catalogue, knowledge.search);
    for (const { path } of entries) {
      stream.reference(vscode.Uri.joinPath(extensionUri, path));
    }
    stream.markdown(markdown);
    for (const pattern of code) {
      stream.button(showCodeButton(pattern));
    }
    return undefined;
  }
  return answerWithModel(turn, extensionUri);
}

async function answerWithModel(turn: Turn, extensionUri: vscode.Uri): Promise<Failure | undefined> {
  const { request, context, stream, token, knowledge, command, facts } = turn;
  const entries = entriesFor({ command, request: request.prompt }, knowledge.catalogue, knowledge.search).slice(0, 3);
  const references = await resolveReferences(request.references);
  const { messages, leftOut } = await composePrompt(
    {
      instructions: fullInstructions(knowledge.instructions, command),
      command: command?.name,
      request: requestText(request.prompt),
      history: historyOf(context.history),
      attachments: references.attachments,
      workspace: describeWorkspace(facts),
      catalogue: catalogueAttachments(entries),
    },
    request.model.maxInputTokens,
    (text) => request.model.countTokens(text, token),
  );
  for (const { path } of entries) {
    stream.reference(vscode.Uri.joinPath(extensionUri, path));
  }
  const pattern = command?.name === 'pattern' ? entries.find((entry) => entry.kind === 'pattern') : undefined;
  if (pattern) {
    stream.markdown(`${patternEntry(pattern)}\n\n### In this workspace\n\n`);
  }
  const response = await request.model.sendRequest(
    messages.map(toModelMessage),
    { justification: 'Go Architect answers your question in chat with it.' },
    token,
  );
  const outcome = await streamText(response.text, (text) => stream.markdown(text), token);
  if (outcome === CANCELLED) {
    return undefined;
  }
  if (outcome.trim() === '') {
    return failureOf('empty');
  }
  const note = leftOutNote(leftOut, references);
  if (note !== '') {
    stream.markdown(note);
  }
  return undefined;
}

/** What the model did not see, in words; part of the same run of Markdown, since VS Code folds what stands before. */
function leftOutNote(leftOut: readonly string[], { unreadable }: ResolvedReferences): string {
  const sentences = [
    leftOut.length > 0 ? `Left out to fit this model: ${leftOut.join(', ')}.` : '',
    unreadable.length > 0 ? `Could not be used: ${unreadable.join(', ')}.` : '',
  ].filter(Boolean);
  return sentences.length === 0 ? '' : `\n\n---\n*${sentences.join(' ')}*`;
}

function toModelMessage({ role, text }: Message): vscode.LanguageModelChatMessage {
  return role === 'user' ? vscode.LanguageModelChatMessage.User(text) : vscode.LanguageModelChatMessage.Assistant(text);
}
