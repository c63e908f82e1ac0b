/** The scaffold command writes the tree, and leaves alone what exists. */
import * as vscode from 'vscode';
import { readText, workspaceFolder, writeText } from '../extension.ts';
import { contains, equal, eventually, test } from '../registry.ts';

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
