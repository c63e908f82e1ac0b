import type { Command, FollowUp } from './commands.ts';

const DEFAULT_FOLLOW_UPS: readonly FollowUp[] = [
  { label: 'Check how it fails', command: 'resilience', prompt: 'How does this fail, and what contains the failure?' },
  { label: 'Record the decision', command: 'decide', prompt: 'Record the decision of this conversation.' },
];

/**
 * The follow-ups of an answer. Each names its command: without one, VS Code sends it to the command that was just
 * used, so that a question after /scaffold would scaffold again.
 */
export function followUpsFor(command: Command | undefined): readonly FollowUp[] {
  return command?.followUps.length ? command.followUps : DEFAULT_FOLLOW_UPS;
}
