import type { Pattern, Topic } from '../catalogue/catalogue.ts';
import { inlineCode } from '../catalogue/markdown.ts';
import { describeWorkspace } from '../workspace/facts.ts';
import { catalogueAnswer, listOfPatterns } from './catalogueAnswer.ts';
import { catalogueAttachments, patternWithCode } from './entryText.ts';
import type { Outcome } from './followUps.ts';
import { asksForHelp, helpText } from './help.ts';
import type { Attachment, Message, PromptParts } from './prompt.ts';
import type { Library, Question } from './question.ts';
import { fullInstructions, requestText } from './requestParts.ts';
import { entriesToSend, retrieve, wantsCode } from './retrieval.ts';

/** A request with all that decides how it is answered. */
export interface Turn extends Question {
  /** What the user attached. */
  readonly attachments: readonly Attachment[];
  readonly history: readonly Message[];
  /** Paths that the question is about, nearest first: the active editor's, those attached. */
  readonly near: readonly string[];
  /** Whether the catalogue is the model. */
  readonly isOffline: boolean;
  /** The agent's instructions. */
  readonly instructions: string;
}

/** How a request is answered, as data: in this order references, text, and buttons, or else a request to a model. */
export type Answer =
  | {
      readonly kind: 'text';
      readonly references: readonly (Pattern | Topic)[];
      readonly markdown: string;
      /** Patterns whose code is one click away. */
      readonly buttons: readonly Pattern[];
      readonly outcome: Outcome;
    }
  | {
      readonly kind: 'model';
      readonly references: readonly (Pattern | Topic)[];
      /** What is shown before the model's words; may be empty. */
      readonly lead: string;
      readonly prompt: PromptParts;
    };

const NOT_READ = '*The catalogue does not read what is attached: a language model does.*';

/** Decides how a request is answered: without a model where none is needed or chosen, else with it. */
export function answerTo(turn: Turn, library: Library): Answer {
  const { command, request, attachments } = turn;
  const isBare = request.trim() === '' && attachments.length === 0;
  if (command === undefined && attachments.length === 0 && asksForHelp(request)) {
    return text(helpText(library.commands, library.catalogue), 'nothing');
  }
  if (command?.name === 'pattern' && isBare) {
    return text(listOfPatterns(library.catalogue), 'nothing');
  }
  if (turn.isOffline) {
    const { markdown, entries, code } = catalogueAnswer(turn, library);
    const outcome = entries.length > 0 ? 'catalogue' : 'nothing';
    const unread = attachments.length > 0 ? `\n\n${NOT_READ}` : '';
    return { kind: 'text', references: entries, markdown: markdown + unread, buttons: code, outcome };
  }
  const entries = entriesToSend(retrieve(turn, library));
  const pattern = command?.name === 'pattern' ? entries.find((entry) => entry.kind === 'pattern') : undefined;
  return {
    kind: 'model',
    references: entries,
    lead: pattern ? `${patternWithCode(pattern)}\n\n### In this workspace\n\n` : '',
    prompt: {
      instructions: fullInstructions(turn.instructions, command),
      command: command?.name,
      request: requestText(request),
      history: turn.history,
      attachments,
      workspace: describeWorkspace(turn.facts, { near: turn.near, question: request }),
      catalogue: catalogueAttachments(entries, wantsCode(turn)),
    },
  };
}

/**
 * What the model did not see, in words below its answer; empty if it saw all of it.
 * @param leftOut what did not fit.
 * @param unusable attachments that could not be read, with the reason.
 */
export function leftOutNote(leftOut: readonly string[], unusable: readonly string[]): string {
  const names = (items: readonly string[]) => items.map(inlineCode).join(', ');
  const sentences = [
    leftOut.length > 0 ? `Left out to fit this model: ${names(leftOut)}.` : '',
    unusable.length > 0 ? `Could not be used: ${names(unusable)}.` : '',
  ].filter(Boolean);
  // Part of the same run of Markdown, since VS Code folds what stands before the last one.
  return sentences.length === 0 ? '' : `\n\n---\n${sentences.join(' ')}`;
}

function text(markdown: string, outcome: Outcome): Answer {
  return { kind: 'text', references: [], markdown, buttons: [], outcome };
}
