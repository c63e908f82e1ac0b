import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Commands } from './commands.ts';

/** What @go-architect can do, for a request that asks nothing. */
export function helpText(commands: Commands, catalogue: Catalogue): string {
  return [
    'Ask about the design of your Go services, or start with a command:',
    [...commands.values()]
      .map(({ name, description, sampleRequest }) => `- \`/${name}\`: ${description}. *${sampleRequest}*`)
      .join('\n'),
    `Attach files or selections with **Add Context**. ${catalogue.patterns.length} verified patterns also complete in Go files: type \`arch\`.`,
  ].join('\n\n');
}
