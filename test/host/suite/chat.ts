/** Requests through the real chat view, answered by the scripted model and by the catalogue. */
import * as vscode from 'vscode';
import { ask, cancel, lastAnswer, newChat, seenRequests } from '../chatView.ts';
import { extension, workspaceFolder } from '../extension.ts';
import { contains, equal, eventually, ok, test } from '../registry.ts';

/** VS Code 1.110 does not tell a model that its request was cancelled once the answer has begun. */
const forwardsCancellation = !vscode.version.startsWith('1.110.');

/** The scripts that make the model fail, and the sentence that the user must read then. */
const failures = {
  'not-found': 'The selected language model is not available.',
  'no-permissions': 'Go Architect is not allowed to use this language model.',
  blocked: 'The language model refused the request.',
  quota: 'The quota of this language model is used up.',
  filtered: 'The answer was withheld by the model’s content filter.',
  network: 'The language model could not be reached.',
  silent: 'The language model sent an empty answer.',
  broken: 'The language model failed.',
};

test('both models are offered', async () => {
  const vendors = await eventually(async () => {
    const found = new Set((await vscode.lm.selectChatModels()).map(({ vendor }) => vendor));
    ok(found.has('scripted') && found.has('go-architect'), `models of: ${[...found].join(', ')}`);
    return found;
  });
  ok(vendors.size >= 2, 'two vendors');
});

for (const mode of ['ask', 'agent', 'edit'] as const) {
  test(`a question in ${mode} mode is answered by the selected model`, async () => {
    await newChat();
    const { errorDetails } = await ask({ query: '@go-architect where do retries belong? [script: answer]', mode });
    equal(errorDetails, undefined, 'error');
    contains(await lastAnswer(), 'Scripted answer.', 'answer');
    ok(extension().isActive, 'the request activates the extension');
  });
}

test('the model gets the workspace, the conversation so far and the attached file', async () => {
  await newChat();
  await ask({ query: '@go-architect my first question [script: answer]' });
  const file = vscode.Uri.joinPath(workspaceFolder(), 'internal/payment/client.go');
  await ask({ query: '@go-architect my second question [script: answer]', attachFiles: [file] });
  const sent = (await seenRequests()).at(-1)?.messages.join('\n') ?? '';
  contains(sent, 'example.com/orders', 'module path');
  contains(sent, 'my first question', 'earlier question');
  contains(sent, 'Scripted answer.', 'earlier answer');
  contains(sent, 'func (c *Client) Charge(', 'attached file');
  contains(sent, 'my second question', 'question');
});

test('the answer streams: its first part is shown while the model is still writing', async () => {
  await newChat();
  const { length } = await seenRequests();
  const answered = ask({ query: '@go-architect slowly, please [script: slow]' });
  await vscode.commands.executeCommand('scripted.arrived', length + 1);
  await eventually(async () => contains(await lastAnswer(), 'First part.', 'first part'));
  ok(!(await lastAnswer()).includes('Second part.'), 'the second part is not there yet');
  await vscode.commands.executeCommand('scripted.release');
  const { errorDetails } = await answered;
  equal(errorDetails, undefined, 'error');
  contains(await lastAnswer(), 'First part. Second part.', 'whole answer');
});

for (const script of ['hang', 'deaf']) {
  test(`cancelling stops at once, and tells the model (${script})`, async () => {
    await newChat();
    const { length } = await seenRequests();
    const answered = ask({ query: `@go-architect stop me [script: ${script}]` });
    await eventually(async () => contains(await lastAnswer(), 'Before the stop.', 'first part'));
    await cancel();
    const { errorDetails } = await answered;
    if (forwardsCancellation) {
      await vscode.commands.executeCommand('scripted.cancelled', length);
    }
    await vscode.commands.executeCommand('scripted.release');
    ok(!errorDetails?.message.includes('language model'), `no failure is shown: ${errorDetails?.message}`);
    ok(!(await lastAnswer()).includes('Too late.'), 'nothing is added after the stop');
  });
}

for (const [script, sentence] of Object.entries(failures)) {
  test(`a failure is one plain sentence and a next step: ${script}`, async () => {
    await newChat();
    const { errorDetails } = await ask({ query: `@go-architect fail, please [script: ${script}]` });
    contains(errorDetails?.message ?? '(no error)', sentence, 'error');
    ok((errorDetails?.message.length ?? 0) > sentence.length, 'a next step follows');
  });
}

test('the catalogue answers without AI, from the patterns and with code', async () => {
  await newChat();
  const before = (await seenRequests()).length;
  const query = '@go-architect /resilience circuit breaker for a slow payment provider';
  const { errorDetails, metadata } = await ask({ query, vendor: 'go-architect' });
  equal(errorDetails, undefined, 'error');
  equal(metadata?.command, 'resilience', 'command');
  const answer = await lastAnswer();
  contains(answer, 'no AI', 'says that no AI was used');
  contains(answer.toLowerCase(), 'circuit breaker', 'the pattern asked for');
  await ask({ query: '@go-architect /pattern circuit breaker', vendor: 'go-architect' });
  contains(await lastAnswer(), '```go\n// Package circuitbreaker', 'code');
  equal((await seenRequests()).length, before, 'requests to other models');
});

test('a setting takes the catalogue model away', async () => {
  const settings = vscode.workspace.getConfiguration('goArchitect');
  const models = () => vscode.lm.selectChatModels({ vendor: 'go-architect' });
  try {
    await settings.update('catalogueModel.enabled', false, vscode.ConfigurationTarget.Global);
    await eventually(async () => equal((await models()).length, 0, 'models while off'));
  } finally {
    await settings.update('catalogueModel.enabled', undefined, vscode.ConfigurationTarget.Global);
  }
  await eventually(async () => equal((await models()).length, 1, 'models while on'));
});

test('/scaffold shows the tree before anything is written', async () => {
  await newChat();
  const { errorDetails } = await ask({ query: '@go-architect /scaffold billing service, module example.com/billing' });
  equal(errorDetails, undefined, 'error');
  contains(await lastAnswer(), 'example.com/billing', 'module path');
});
