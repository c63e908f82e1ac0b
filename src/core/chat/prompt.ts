import { fitText, type TokenCounter } from './budget.ts';

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

/** Everything that may go into a prompt. */
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
 * @param count counts the tokens of a text as the model does.
 * @throws PromptTooLargeError if the instructions and the request alone do not fit.
 */
export async function composePrompt(parts: PromptParts, maxInputTokens: number, count: TokenCounter): Promise<Prompt> {
  const leftOut: string[] = [];
  const instructions = parts.instructions;
  const request = `${tagged('request', parts.command ? { command: parts.command } : {}, parts.request)}`;
  const fixed = (await count(instructions)) + (await count(request)) + 3 * TOKENS_PER_MESSAGE;
  let left = Math.floor(maxInputTokens * (1 - MARGIN)) - fixed;
  if (left < 0) {
    throw new PromptTooLargeError(`The request needs ${fixed} tokens; the model takes ${maxInputTokens}.`);
  }

  /** Takes a text whole if it fits. */
  const take = async (text: string): Promise<boolean> => {
    const tokens = (await count(text)) + TOKENS_PER_MESSAGE;
    if (tokens > left) {
      return false;
    }
    left -= tokens;
    return true;
  };

  /** Takes history from the newest to the oldest and stops at the first message that does not fit. */
  const takeHistory = async (messages: readonly Message[]): Promise<Message[]> => {
    const taken: Message[] = [];
    for (const message of messages.toReversed()) {
      if (!(await take(message.text))) {
        break;
      }
      taken.unshift(message);
    }
    return taken;
  };

  const split = Math.max(0, parts.history.length - RECENT_MESSAGES);
  const recent = await takeHistory(parts.history.slice(split));

  const attached: string[] = [];
  for (const attachment of parts.attachments) {
    const wrap = (text: string) => tagged(attachment.tag, { name: attachment.name }, text);
    const fitted = await fitText(attachment.text, left - TOKENS_PER_MESSAGE, (text) => count(wrap(text)));
    if (fitted.text === '') {
      leftOut.push(attachment.name);
    } else {
      attached.push(wrap(fitted.text));
      left -= fitted.tokens + TOKENS_PER_MESSAGE;
      if (fitted.keptLines !== undefined) {
        leftOut.push(`${attachment.name} after line ${fitted.keptLines}`);
      }
    }
  }

  const context: string[] = [];
  if (parts.workspace !== '') {
    const text = tagged('workspace', {}, parts.workspace);
    if (await take(text)) {
      context.push(text);
    } else {
      leftOut.push('the description of the workspace');
    }
  }
  for (const entry of parts.catalogue) {
    const text = tagged(entry.tag, { name: entry.name }, entry.text);
    if (await take(text)) {
      context.push(text);
    }
  }

  const older =
    recent.length === Math.min(parts.history.length, RECENT_MESSAGES)
      ? await takeHistory(parts.history.slice(0, split))
      : [];
  const missing = parts.history.length - recent.length - older.length;
  if (missing > 0) {
    leftOut.push(missing === 1 ? 'one earlier message' : `${missing} earlier messages`);
  }

  const messages: Message[] = [{ role: 'user', text: instructions }];
  if (context.length > 0) {
    messages.push({ role: 'user', text: context.join('\n\n') });
  }
  messages.push(...older, ...recent, { role: 'user', text: [...attached, request].join('\n\n') });
  return { messages, leftOut };
}

/**
 * Wraps data in a named tag. A closing tag of any of our names inside the data is disarmed, so that data cannot end
 * its own wrapping and pose as instructions.
 */
export function tagged(tag: string, attributes: Readonly<Record<string, string>>, text: string): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${value.replace(/["<>\r\n]/g, ' ')}"`);
  return `<${tag}${list.join('')}>\n${disarm(text)}\n</${tag}>`;
}

function disarm(text: string): string {
  return text.replace(/<(\/?)(?=(?:request|workspace|reference|selection|pattern|topic|history)\b)/gi, '&lt;$1');
}
