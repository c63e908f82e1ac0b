import type { Command } from './commands.ts';

/** The agent's instructions with the contract of the slash command. */
export function fullInstructions(agent: string, command: Command | undefined): string {
  return command === undefined ? agent : `${agent}\n\n## Contract of /${command.name}\n${command.instructions}`;
}

/** The request in words; a command without words is about the conversation and the workspace. */
export function requestText(prompt: string): string {
  return prompt.trim() || 'Apply this command to the conversation so far, the attached material and the workspace.';
}
