import * as vscode from 'vscode';
import { catalogueAnswer } from '../core/chat/catalogueAnswer.ts';
import { parseModelRequest } from '../core/chat/modelRequest.ts';
import type { ExtensionAssets } from './assets.ts';
import { today } from './today.ts';
import type { WatchedWorkspace } from './workspaceFacts.ts';

/** Vendor of the model that answers without AI. */
export const CATALOGUE_VENDOR = 'go-architect';

const SETTING = 'goArchitect.catalogueModel.enabled';

// VS Code 1.110 to 1.117 offers only models that say they are selectable; later versions take that as given, and the
// field is not in their public types.
const SELECTABLE = { isUserSelectable: true };

const MODEL: vscode.LanguageModelChatInformation = {
  ...SELECTABLE,
  id: 'catalogue',
  name: 'Go Architect catalogue (no AI)',
  family: 'go-architect-catalogue',
  version: '1',
  detail: 'offline',
  tooltip: 'Answers from the Go Architect catalogue, with no account, no network and no AI.',
  maxInputTokens: 64_000,
  maxOutputTokens: 16_000,
  // Agent mode, the default, lists only models that can call tools. This one is never given a reason to.
  capabilities: { toolCalling: true },
};

/** What the model needs. */
export interface CatalogueModelNeeds {
  readonly assets: ExtensionAssets;
  readonly workspace: WatchedWorkspace;
  readonly now: () => Date;
}

/** The model that answers from the catalogue, so that @go-architect works without an account. */
export class CatalogueModel {
  readonly #needs: CatalogueModelNeeds;

  constructor(needs: CatalogueModelNeeds) {
    this.#needs = needs;
  }

  /** Registers it where the editor has language models. */
  register(): vscode.Disposable {
    if (!vscode.lm?.registerLanguageModelChatProvider) {
      return new vscode.Disposable(() => undefined);
    }
    const { assets, workspace, now } = this.#needs;
    const changed = new vscode.EventEmitter<void>();
    const provider: vscode.LanguageModelChatProvider = {
      onDidChangeLanguageModelChatInformation: changed.event,
      provideLanguageModelChatInformation: () =>
        vscode.workspace.getConfiguration().get<boolean>(SETTING, true) ? [MODEL] : [],
      async provideLanguageModelChatResponse(_model, messages, _options, progress, token) {
        const [knowledge, facts] = await Promise.all([assets.knowledge(), workspace.facts()]);
        const last = messages.findLast(({ role }) => role === vscode.LanguageModelChatMessageRole.User);
        const { command, request } = parseModelRequest(textOf(last?.content ?? []));
        const question = { command: knowledge.commands.get(command ?? ''), request, facts, today: today(now()) };
        if (!token.isCancellationRequested) {
          progress.report(new vscode.LanguageModelTextPart(catalogueAnswer(question, knowledge).markdown));
        }
      },
      // About four characters to a token in English and Go.
      provideTokenCount: async (_model, text) =>
        Math.ceil((typeof text === 'string' ? text : textOf(text.content)).length / 4),
    };
    const registration = vscode.lm.registerLanguageModelChatProvider(CATALOGUE_VENDOR, provider);
    announceWithoutOthers(changed).catch(() => undefined); // chat is switched off: there is nobody to tell
    return vscode.Disposable.from(
      changed,
      registration,
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration(SETTING)) {
          changed.fire();
        }
      }),
    );
  }
}

/**
 * VS Code asks a provider for its models when something needs one, and the first question of a user without an account
 * comes before that: it would fail with "Language model unavailable". Where Copilot has models, nothing is announced,
 * so that this model cannot become the selected one merely by being first.
 */
async function announceWithoutOthers(changed: vscode.EventEmitter<void>): Promise<void> {
  const copilot = await vscode.lm.selectChatModels({ vendor: 'copilot' });
  if (copilot.length === 0) {
    changed.fire();
  }
}

function textOf(content: readonly unknown[]): string {
  return content.map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join('');
}
