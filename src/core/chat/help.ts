import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Commands } from './commands.ts';

// What people type who do not know yet what to ask.
const HELP = new Set(
  `help|help me|hi|hello|hey|hi there|start|get started|commands|what can you do|what do you do|who are you|how does this work|how do i use this|what can i ask|what is this`.split(
    '|',
  ),
);

/** Whether a request asks nothing, or what can be asked. */
export function asksForHelp(request: string): boolean {
  const words =
    request
      .slice(0, 100)
      .toLowerCase()
      .match(/[a-z]+/g) ?? [];
  return request.trim() === '' || (request.length < 100 && HELP.has(words.join(' ')));
}

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
