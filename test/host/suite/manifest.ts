/** The manifest, the command files and the code agree. */
import * as vscode from 'vscode';
import { ask, newChat, seenRequests } from '../chatView.ts';
import { extension } from '../extension.ts';
import { contains, equal, ok, test } from '../registry.ts';

/** `media/commands/*.md`, read when the tests were bundled. */
declare const COMMAND_FILES: readonly {
  readonly name: string;
  readonly description: string;
  readonly sampleRequest: string;
  readonly instructions: string;
}[];

interface Contributions {
  readonly chatParticipants: readonly {
    readonly id: string;
    readonly name: string;
    readonly isSticky: boolean;
    readonly commands: readonly {
      readonly name: string;
      readonly description: string;
      readonly sampleRequest: string;
    }[];
  }[];
  readonly commands: readonly { readonly command: string }[];
  readonly languageModelChatProviders: readonly { readonly vendor: string }[];
}

function contributions(): Contributions {
  return extension().packageJSON.contributes as Contributions;
}

test('the extension activates', async () => {
  await extension().activate();
  ok(extension().isActive, 'active');
});

test('no proposed API is asked for', () => {
  equal(extension().packageJSON.enabledApiProposals, undefined, 'enabledApiProposals');
});

test('one sticky participant with one slash command for each command file', () => {
  const [participant, ...others] = contributions().chatParticipants;
  equal(others.length, 0, 'further participants');
  equal(participant?.name, 'go-architect', 'name');
  equal(participant?.isSticky, true, 'sticky');
  const files = COMMAND_FILES.map(({ name, description, sampleRequest }) => ({ name, description, sampleRequest }));
  equal(participant?.commands, files, 'slash commands');
});

test('every command of the palette is registered', async () => {
  const registered = new Set(await vscode.commands.getCommands(true));
  for (const { command } of contributions().commands) {
    ok(registered.has(command), `${command} is not registered`);
  }
});

for (const { name, sampleRequest, instructions } of COMMAND_FILES) {
  if (name === 'scaffold') {
    continue; // Answered without a model; the chat tests cover it.
  }
  test(`/${name} reaches the model with its instructions`, async () => {
    await newChat();
    const { errorDetails, metadata } = await ask({ query: `@go-architect /${name} ${sampleRequest} [script: answer]` });
    equal(errorDetails, undefined, 'error');
    equal(metadata?.command, name, 'command');
    const sent = (await seenRequests()).at(-1)?.messages.join('\n') ?? '';
    contains(sent, sampleRequest, 'question');
    contains(sent, instructions, 'instructions of the command file');
  });
}
