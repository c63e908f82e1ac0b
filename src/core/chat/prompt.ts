import { plainName } from '../words.ts';
import { fitText, type TokenCounter } from './budget.ts';
import { tagged } from './fence.ts';

/** A message for a language model; the API has no system role, so instructions are a user message. */
export interface Message {
  readonly role: 'user' | 'assistant';
  readonly text: string;
}

/** A file, selection or text that the user attached, or an entry of the catalogue: data, never instructions. */
export interface Attachment {
  readonly tag: 'reference' | 'selection' | 'pattern' | 'topic';
  /** What it is called, for the model and in messages to the user. */
  readonly name: string;
  readonly text: string;
}

/** Everything that may go into a prompt; README lists the same, see `SENT`. */
export interface PromptParts {
  /** The agent's instructions, then the command's. */
  readonly instructions: string;
  /** Name of the slash command, if one was given. */
  readonly command: string | undefined;
  readonly request: string;
  /** The conversation so far, oldest first. */
  readonly history: readonly Message[];
  /** What the user attached, most important first. */
  readonly attachments: readonly Attachment[];
  /** Description of the workspace; empty if there is none. */
  readonly workspace: string;
  /** Catalogue entries that may answer the request, best first. */
  readonly catalogue: readonly Attachment[];
}

/** What each part is, in the words in which README tells users what a model is sent. */
export const SENT: Readonly<Record<Exclude<keyof PromptParts, 'command'>, string>> = {
  instructions: 'the instructions of the architect and of the command',
  request: 'your request',
  history: 'your earlier requests to the architect in this conversation, and its answers',
  attachments: 'the files, folder listings, selections and texts that you attached yourself',
  workspace: 'a short description of the Go modules: paths, versions, package folders, direct requirements',
  catalogue: 'up to three entries of the catalogue that match the request; their code only when you ask for code',
};

/** A prompt within its budget. */
export interface Prompt {
  readonly messages: readonly Message[];
  /** What was left out or cut, in words for the user; empty if all of it fitted. */
  readonly leftOut: readonly string[];
}

/** The request and the instructions alone are larger than the model's input. */
export class PromptTooLargeError extends Error {
  override readonly name = 'PromptTooLargeError';
}

// Models count a few tokens of framing for each message, and tokenisers differ: keep a margin.
const TOKENS_PER_MESSAGE = 8;
const MARGIN = 0.05;
// The two turns before a request are what it most often refers to; they come before attachments and catalogue.
const RECENT_MESSAGES = 4;

/**
 * Composes the messages for a model within its input budget. Priorities: instructions and request, the last two
 * turns, what the user attached, the workspace, the catalogue, older turns. What does not fit is cut or left out, and
 * named in `leftOut`.
 * @param maxInputTokens the model's own limit.
 * @param count counts the tokens of a text as the model does; see `dependableCounter`.
 * @param nonce what the tags of this request carry; see `tagged`.
 * @throws PromptTooLargeError if the instructions and the request alone do not fit.
 */
export async function composePrompt(
  parts: PromptParts,
  maxInputTokens: number,
  count: TokenCounter,
  nonce: string,
): Promise<Prompt> {
  const wrap = (attachment: Attachment, text: string) => tagged(attachment.tag, nonce, { name: attachment.name }, text);
  const request = tagged('request', nonce, parts.command ? { command: parts.command } : {}, parts.request);
  const workspace = parts.workspace === '' ? '' : tagged('workspace', nonce, {}, parts.workspace);
  const catalogue = parts.catalogue.map((entry) => wrap(entry, entry.text));
  const history = parts.history.map(({ role, text }): Message => {
    return { role, text: tagged(role === 'user' ? 'history' : 'answer', nonce, {}, text) };
  });
  const attachments = parts.attachments.map((attachment) => wrap(attachment, attachment.text));

  // Side by side, since each count is a round trip to the model's host.
  const texts = [parts.instructions, request, workspace, ...catalogue, ...attachments].concat(
    history.map(({ text }) => text),
  );
  const distinct = [...new Set(texts)];
  const counts = await Promise.all(distinct.map(async (text) => [text, await count(text)] as const));
  const tokensOf = new Map(counts);

  const leftOut: string[] = [];
  const fixed = (tokensOf.get(parts.instructions) ?? 0) + (tokensOf.get(request) ?? 0) + 3 * TOKENS_PER_MESSAGE;
  let left = Math.floor(maxInputTokens * (1 - MARGIN)) - fixed;
  if (left < 0) {
    throw new PromptTooLargeError(`The request needs ${fixed} tokens; the model takes ${maxInputTokens}.`);
  }

  /** Takes a text whole if it fits. */
  const take = (text: string): boolean => {
    const tokens = (tokensOf.get(text) ?? 0) + TOKENS_PER_MESSAGE;
    if (tokens > left) {
      return false;
    }
    left -= tokens;
    return true;
  };

  /** Takes history from the newest to the oldest and stops at the first message that does not fit. */
  const takeHistory = (messages: readonly Message[]): Message[] => {
    const taken: Message[] = [];
    for (const message of messages.toReversed()) {
      if (!take(message.text)) {
        break;
      }
      taken.unshift(message);
    }
    return taken;
  };

  const split = Math.max(0, history.length - RECENT_MESSAGES);
  const recent = takeHistory(history.slice(split));

  const attached: string[] = [];
  for (const [index, attachment] of parts.attachments.entries()) {
    const whole = tokensOf.get(attachments[index] ?? '');
    const name = plainName(attachment.name);
    const fitted = await fitText(
      attachment.text,
      left - TOKENS_PER_MESSAGE,
      (text) => count(wrap(attachment, text)),
      whole,
    );
    if (fitted.text === '') {
      leftOut.push(name);
    } else {
      attached.push(wrap(attachment, fitted.text));
      left -= fitted.tokens + TOKENS_PER_MESSAGE;
      if (fitted.cut !== undefined) {
        leftOut.push(`${name} ${fitted.cut}`);
      }
    }
  }

  const context: string[] = [];
  if (workspace !== '') {
    if (take(workspace)) {
      context.push(workspace);
    } else {
      leftOut.push('the description of the workspace');
    }
  }
  context.push(...catalogue.filter(take));

  const older = recent.length === Math.min(history.length, RECENT_MESSAGES) ? takeHistory(history.slice(0, split)) : [];
  const missing = history.length - recent.length - older.length;
  if (missing > 0) {
    leftOut.push(missing === 1 ? 'one earlier message' : `${missing} earlier messages`);
  }

  const messages: Message[] = [{ role: 'user', text: parts.instructions }];
  if (context.length > 0) {
    messages.push({ role: 'user', text: context.join('\n\n') });
  }
  messages.push(...older, ...recent, { role: 'user', text: [...attached, request].join('\n\n') });
  return { messages, leftOut };
}
