import * as vscode from 'vscode';
import { dependableCounter } from '../core/chat/budget.ts';
import { classifyFailure, type Failure, failureOf } from '../core/chat/failures.ts';
import { followUpsFor, hasFindings, type Outcome } from '../core/chat/followUps.ts';
import { composePrompt, type Message, type Prompt, type PromptParts } from '../core/chat/prompt.ts';
import { answerTo, leftOutNote } from '../core/chat/turn.ts';
import type { ExtensionAssets } from './assets.ts';
import { CATALOGUE_VENDOR } from './catalogueModel.ts';
import { historyOf } from './history.ts';
import type { Log } from './log.ts';
import { showCodeButton } from './patternCode.ts';
import { resolveReferences } from './references.ts';
import { showScaffold } from './scaffoldChat.ts';
import { CANCELLED, streamText } from './streamText.ts';
import { today } from './today.ts';
import type { WatchedWorkspace } from './workspaceFacts.ts';

const PARTICIPANT_ID = 'go-architect.architect';

// All counts of a request together; what is not counted by then is estimated.
const COUNTING_TIME = 3000;

/** What the participant needs. */
export interface ParticipantNeeds {
  readonly assets: ExtensionAssets;
  readonly workspace: WatchedWorkspace;
  readonly extensionUri: vscode.Uri;
  readonly log: Log;
  readonly now: () => Date;
}

/** One request of the user, as VS Code hands it over. */
interface Asked {
  readonly request: vscode.ChatRequest;
  readonly context: vscode.ChatContext;
  readonly stream: vscode.ChatResponseStream;
  readonly token: vscode.CancellationToken;
}

/** @go-architect: streams what `answerTo` decides. */
export class Participant {
  readonly #needs: ParticipantNeeds;

  constructor(needs: ParticipantNeeds) {
    this.#needs = needs;
  }

  /** Registers it. Editors without participants keep the snippets and the commands. */
  register(): vscode.Disposable {
    const { assets, extensionUri, log } = this.#needs;
    const participant = vscode.chat?.createChatParticipant?.(PARTICIPANT_ID, (request, context, stream, token) =>
      this.#answer({ request, context, stream, token }),
    );
    if (!participant) {
      log.info('This editor has no chat participants: @go-architect is not available, snippets and commands are.');
      return new vscode.Disposable(() => undefined);
    }
    participant.iconPath = vscode.Uri.joinPath(extensionUri, 'media', 'icon.png');
    participant.followupProvider = {
      async provideFollowups({ errorDetails, metadata }) {
        if (errorDetails) {
          return [];
        }
        const { commands, search } = await assets.knowledge();
        const outcome = metadata?.outcome as Outcome | undefined;
        return followUpsFor(commands.get(String(metadata?.command)), outcome, search).map(
          ({ label, command, prompt }) => ({ label, command, prompt }),
        );
      },
    };
    const feedback = participant.onDidReceiveFeedback?.(({ kind, result }) => {
      const verdict = kind === vscode.ChatResultFeedbackKind.Helpful ? 'helpful' : 'unhelpful';
      log.info(`Feedback: ${verdict}, command: ${String(result.metadata?.command ?? 'none')}`);
    });
    return vscode.Disposable.from(participant, ...(feedback ? [feedback] : []));
  }

  async #answer(asked: Asked): Promise<vscode.ChatResult> {
    const { assets, log } = this.#needs;
    const { request, stream, token } = asked;
    const metadata = { command: request.command ?? '' };
    try {
      if (request.command === 'scaffold') {
        await showScaffold(assets, log, request, stream, token);
        return { metadata: { ...metadata, outcome: 'model' satisfies Outcome } };
      }
      const outcome = await this.#answerQuestion(asked);
      return typeof outcome === 'object'
        ? { metadata: { ...metadata, failure: outcome.kind }, errorDetails: outcome }
        : { metadata: { ...metadata, outcome } };
    } catch (error) {
      if (token.isCancellationRequested || error instanceof vscode.CancellationError) {
        return { metadata };
      }
      log.error(error);
      const failure = classifyFailure(error);
      return { metadata: { ...metadata, failure: failure.kind }, errorDetails: { message: failure.message } };
    }
  }

  /** @returns undefined if the user stopped it. */
  async #answerQuestion({ request, context, stream, token }: Asked): Promise<Outcome | Failure | undefined> {
    const { assets, workspace, now, extensionUri } = this.#needs;
    stream.progress('Reading the workspace');
    const [knowledge, facts, references] = await Promise.all([
      assets.knowledge(),
      workspace.facts(),
      resolveReferences(request.references),
    ]);
    if (token.isCancellationRequested) {
      return undefined;
    }
    const active = vscode.window.activeTextEditor?.document.uri;
    const answer = answerTo(
      {
        command: knowledge.commands.get(request.command ?? ''),
        request: request.prompt,
        attachments: references.attachments,
        history: historyOf(context.history),
        near: [...(active ? [vscode.workspace.asRelativePath(active)] : []), ...references.paths],
        isOffline: request.model.vendor === CATALOGUE_VENDOR,
        instructions: knowledge.instructions,
        facts,
        today: today(now()),
      },
      knowledge,
    );
    const prompt = answer.kind === 'model' ? await compose(answer.prompt, request.model, token) : undefined;
    for (const { path } of answer.references) {
      stream.reference(vscode.Uri.joinPath(extensionUri, path));
    }
    if (answer.kind === 'text') {
      stream.markdown(answer.markdown);
      for (const pattern of answer.buttons) {
        stream.button(showCodeButton(pattern));
      }
      return answer.outcome;
    }
    if (answer.lead !== '') {
      stream.markdown(answer.lead);
    }
    const response = await request.model.sendRequest(
      (prompt?.messages ?? []).map(toModelMessage),
      { justification: 'Go Architect answers your question in chat with it.' },
      token,
    );
    const words = await streamText(response.text, (text) => stream.markdown(text), token);
    if (words === CANCELLED) {
      return undefined;
    }
    if (words.trim() === '') {
      return failureOf('empty');
    }
    const note = leftOutNote(prompt?.leftOut ?? [], references.unusable);
    if (note !== '') {
      stream.markdown(note);
    }
    return hasFindings(words) ? 'findings' : 'model';
  }
}

/** Fits a prompt to a model, whose counter may fail or be silent. */
async function compose(
  parts: PromptParts,
  model: vscode.LanguageModelChat,
  token: vscode.CancellationToken,
): Promise<Prompt> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, COUNTING_TIME);
  });
  const count = dependableCounter(
    async (text) => model.countTokens(text, token),
    () => late,
  );
  try {
    return await composePrompt(
      parts,
      model.maxInputTokens,
      count,
      crypto.randomUUID().replaceAll('-', '').slice(0, 12),
    );
  } finally {
    clearTimeout(timer);
  }
}

function toModelMessage({ role, text }: Message): vscode.LanguageModelChatMessage {
  return role === 'user' ? vscode.LanguageModelChatMessage.User(text) : vscode.LanguageModelChatMessage.Assistant(text);
}
