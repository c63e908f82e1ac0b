import type { Pattern, Topic } from '../catalogue/catalogue.ts';
import { fenced } from '../catalogue/markdown.ts';
import type { Command } from './commands.ts';
import type { Attachment } from './prompt.ts';

/** The agent's instructions with the contract of the slash command. */
export function fullInstructions(agent: string, command: Command | undefined): string {
  return command === undefined ? agent : `${agent}\n\n## Contract of /${command.name}\n${command.instructions}`;
}

/** The request in words; a command without words is about the conversation and the workspace. */
export function requestText(prompt: string): string {
  return prompt.trim() || 'Apply this command to the conversation so far, the attached material and the workspace.';
}

/** Catalogue entries as data for a prompt: patterns with their tested source. */
export function catalogueAttachments(entries: readonly (Pattern | Topic)[]): Attachment[] {
  return entries.map((entry) =>
    entry.kind === 'pattern'
      ? {
          tag: 'pattern',
          name: entry.title,
          text: `${entry.summary}\nSnippet prefix: ${entry.prefix}\n\n${entry.body}\n\n${fenced(entry.source, 'go')}`,
        }
      : { tag: 'topic', name: entry.title, text: `${entry.summary}\n\n${entry.body}` },
  );
}
