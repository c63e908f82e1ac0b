/** The scaffold command writes the tree, and leaves alone what exists. */
import * as vscode from 'vscode';
import { ask, lastAnswer, newChat, seenRequests } from '../chatView.ts';
import { exists, runToEnd } from '../driving.ts';
import { readText, workspaceFolder, writeText } from '../extension.ts';
import { contains, equal, eventually, ok, test } from '../registry.ts';

const tree = [
  'cmd/server/main.go',
  'internal/domain/user.go',
  'internal/domain/order.go',
  'internal/usecase/user_service.go',
  'internal/usecase/order_service.go',
  'internal/adapter/http',
  'internal/adapter/grpc',
  'internal/adapter/repository',
  'internal/infrastructure/postgres',
  'internal/infrastructure/redis',
  'internal/infrastructure/kafka',
  'pkg/logger',
  'pkg/metrics',
  'pkg/tracing',
];

test('scaffold writes the recommended tree for the module path that was given', async () => {
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'fresh');
  await vscode.workspace.fs.createDirectory(folder);
  await scaffold(folder);
  const module = await readText(vscode.Uri.joinPath(folder, 'go.mod'));
  contains(module, 'module example.com/orders/fresh', 'suggested module path');
  contains(await readText(vscode.Uri.joinPath(folder, 'cmd/server/main.go')), '"example.com/orders/fresh/', 'imports');
});

test('scaffold skips what exists and keeps the module path of the folder', async () => {
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'taken');
  const mine = { 'go.mod': 'module example.com/mine\n\ngo 1.24\n', 'internal/domain/user.go': 'package domain\n' };
  for (const [path, text] of Object.entries(mine)) {
    await writeText(vscode.Uri.joinPath(folder, path), text);
  }
  await scaffold(folder);
  for (const [path, text] of Object.entries(mine)) {
    equal(await readText(vscode.Uri.joinPath(folder, path)), text, path);
  }
  contains(await readText(vscode.Uri.joinPath(folder, 'cmd/server/main.go')), '"example.com/mine/', 'imports');
});

test('a module with a newer Go line is followed in every file', async () => {
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'newer');
  await writeText(
    vscode.Uri.joinPath(folder, 'go.mod'),
    'module example.com/newer\n\ngo 1.26.0\n\ntoolchain go1.99.1\n',
  );
  await scaffold(folder);
  contains(await readText(vscode.Uri.joinPath(folder, 'Dockerfile')), 'FROM golang:1.99 AS', 'Dockerfile');
  contains(await readText(vscode.Uri.joinPath(folder, 'README.md')), 'You need Go 1.99.', 'README');
});

/** Runs the command as a user does who takes every default and then creates the files that the preview shows. */
async function scaffold(folder: vscode.Uri): Promise<void> {
  let ended = false;
  const command = Promise.resolve(vscode.commands.executeCommand('goArchitect.scaffoldService', folder)).then(() => {
    ended = true;
  });
  await eventually(async () => {
    await vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem');
    await vscode.commands.executeCommand('goArchitect.scaffoldPreview.create');
    for (const path of tree) {
      await vscode.workspace.fs.stat(vscode.Uri.joinPath(folder, path));
    }
  }, 20_000);
  // The command ends when its last notification is closed.
  await eventually(async () => {
    await vscode.commands.executeCommand('notifications.clearAll');
    equal(ended, true, 'the command has ended');
  });
  await command;
}

test('/scaffold lets the model propose what the request leaves unsaid, and says so', async () => {
  await newChat();
  const { errorDetails } = await ask({ query: '@go-architect /scaffold invoices with PostgreSQL [script: propose]' });
  equal(errorDetails, undefined, 'error');
  const answer = await lastAnswer();
  contains(answer, '`example.com/orders/billing` (proposed by Scripted; asked again with the folder)', 'module path');
  contains(answer, 'HTTP, PostgreSQL, Deployment, CI (from your request)', 'components that were said');
  contains(answer, 'Feature first (proposed by Scripted)', 'layout');
  const prompt = (await seenRequests()).at(-1)?.messages.join('\n') ?? '';
  contains(prompt, 'invoices with PostgreSQL', 'the request');
  ok(!prompt.includes('"components"'), 'what was said is not asked');
  ok(!prompt.includes('example.com'), 'nothing of the workspace is sent');
});

for (const script of ['answer', 'silent', 'network', 'no-permissions']) {
  test(`/scaffold does without the model (${script})`, async () => {
    await newChat();
    const { errorDetails } = await ask({ query: `@go-architect /scaffold a service in pay/here [script: ${script}]` });
    equal(errorDetails, undefined, 'error');
    const answer = await lastAnswer();
    contains(answer, '`pay/here` (from your request)', 'folder');
    contains(answer, '`example.com/orders/pay/here` (default)', 'module path');
    contains(answer, 'Recommended tree (default)', 'layout');
  });
}

test('/scaffold asks no model where nothing is left to ask', async () => {
  await newChat();
  const { length } = await seenRequests();
  const said = 'module example.com/x with gRPC, feature first';
  for (const [query, vendor] of [
    [`@go-architect /scaffold ${said}`, 'scripted'],
    ['@go-architect /scaffold', 'scripted'],
    ['@go-architect /scaffold invoices', 'go-architect'],
  ] as const) {
    equal((await ask({ query, vendor })).errorDetails, undefined, query);
    contains(await lastAnswer(), '**Module path**', query);
  }
  equal((await seenRequests()).length, length, 'requests');
});

test('Create in chat writes at once where nothing exists, and previews where something does', async () => {
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'chosen');
  const argument = {
    modulePath: 'example.com/chosen',
    components: [],
    layout: 'platform',
    folder: folder.toString(),
    decided: true,
  };
  const create = () => vscode.commands.executeCommand<string | undefined>('goArchitect.scaffoldService', argument);
  const nothing = async () => undefined;
  contains((await runToEnd(create(), nothing)) ?? '', 'Created ', 'message');
  ok(await exists(vscode.Uri.joinPath(folder, 'internal/platform/logger')), 'the layout that was chosen');

  const readme = vscode.Uri.joinPath(folder, 'README.md');
  await vscode.workspace.fs.delete(readme);
  const cancelled = await runToEnd(create(), async () => {
    await vscode.commands.executeCommand('goArchitect.scaffoldPreview.cancel');
  });
  equal(cancelled, undefined, 'message');
  ok(!(await exists(readme)), 'nothing is written when the preview is cancelled');
  contains((await runToEnd(create())) ?? '', 'Created 1 file. Left ', 'message');
  contains((await runToEnd(create(), nothing)) ?? '', 'Nothing to create. Left ', 'message where all exists');
});
