/** Drives the real chat view through the commands of the workbench. */
import * as vscode from 'vscode';
import { readText, workspaceFolder } from './extension.ts';
import type { SeenRequest } from './fixtures/model/model.ts';

/** What the chat view reports about a finished answer. */
export interface Outcome {
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly errorDetails?: { readonly message: string };
  readonly timings?: { readonly firstProgress?: number; readonly totalElapsed: number };
}

/** How a question is asked. */
export interface Question {
  readonly query: string;
  /** The vendor of the model that answers; the scripted one unless said. */
  readonly vendor?: string;
  readonly mode?: 'ask' | 'agent' | 'edit';
  readonly attachFiles?: readonly vscode.Uri[];
}

/** Starts a new conversation. */
export async function newChat(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.chat.newChat');
}

/** Sends a question and resolves when the answer is complete. */
export async function ask({ vendor = 'scripted', mode = 'ask', ...question }: Question): Promise<Outcome> {
  const outcome = await vscode.commands.executeCommand<Outcome | undefined>('workbench.action.chat.open', {
    ...question,
    mode,
    modelSelector: { vendor },
    blockOnResponse: true,
  });
  return outcome ?? {};
}

/** Stops the answer that is under way. */
export async function cancel(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.chat.cancel');
}

/** The text of the last answer as the chat view holds it. */
export async function lastAnswer(): Promise<string> {
  const file = vscode.Uri.joinPath(workspaceFolder(), 'chat.json');
  await vscode.commands.executeCommand('workbench.action.chat.export', file);
  const { requests } = JSON.parse(await readText(file)) as {
    requests: { response?: { kind?: string; value?: unknown }[] }[];
  };
  // Parts of Markdown carry no kind.
  const parts = requests.at(-1)?.response ?? [];
  return parts.map(({ kind, value }) => (kind === undefined && typeof value === 'string' ? value : '')).join('');
}

/** Every request that the scripted model has received. */
export function seenRequests(): Thenable<SeenRequest[]> {
  return vscode.commands.executeCommand<SeenRequest[]>('scripted.requests');
}
