import type { CatalogueSearch } from '../catalogue/search.ts';
import type { Command, FollowUp } from './commands.ts';

/** What became of a request; the chat keeps it with the answer. */
export type Outcome =
  /** Help, a list, or nothing found. */
  | 'nothing'
  /** The catalogue answered, without AI. */
  | 'catalogue'
  /** A model answered. */
  | 'model'
  /** A model answered and ranked findings. */
  | 'findings';

const DEFAULT_FOLLOW_UPS: readonly FollowUp[] = [
  {
    label: 'Check how it fails',
    command: 'resilience',
    prompt: 'How does this fail, and what contains the failure?',
    needs: undefined,
  },
  {
    label: 'Record the decision',
    command: 'decide',
    prompt: 'Record the decision of this conversation.',
    needs: undefined,
  },
];

/**
 * The follow-ups of an answer that lead somewhere: none where nothing was found, after an answer with no AI those that
 * the catalogue can answer by itself, and those about findings only where there are some. Each names its command:
 * without one, VS Code sends it to the command that was just used, so that a question after /scaffold would scaffold
 * again.
 */
export function followUpsFor(
  command: Command | undefined,
  outcome: Outcome | undefined,
  search: CatalogueSearch,
): readonly FollowUp[] {
  if (outcome === undefined || outcome === 'nothing') {
    return [];
  }
  const all = command?.followUps.length ? command.followUps : DEFAULT_FOLLOW_UPS;
  return all.filter(({ command: name, prompt, needs }) => {
    if (needs === 'findings') {
      return outcome === 'findings';
    }
    return outcome !== 'catalogue' || name === 'scaffold' || search.find(prompt, 1).length > 0;
  });
}

/** Whether an answer ranks findings, as the contract of /review asks for. */
export function hasFindings(answer: string): boolean {
  return /\b(critical|high|medium|low)\b[\s*:|,)-]{0,12}(severity|confidence)|severity[\s*:|-]{0,12}(critical|high|medium|low)|\*\*(critical|high|medium|low)\b/i.test(
    answer,
  );
}
