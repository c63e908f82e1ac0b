/** Scaffolding where files are not on a local disk: virtual, read-only, full, forbidden, slow. */
import * as vscode from 'vscode';
import { accept, runToEnd } from '../driving.ts';
import { MemoryFileSystem } from '../memoryFileSystem.ts';
import { contains, equal, eventually, ok, test } from '../registry.ts';

const SCHEME = 'go-architect-test';
const READ_ONLY = 'go-architect-test-readonly';
const folder = vscode.Uri.from({ scheme: SCHEME, path: '/shop' });

/** Runs a test on a file system of its own that holds one file. */
async function on(scheme: string, body: (files: MemoryFileSystem) => Promise<void>): Promise<void> {
  const files = new MemoryFileSystem();
  files.files.set('/shop', undefined);
  files.files.set('/shop/notes.txt', 'mine');
  const registration = vscode.workspace.registerFileSystemProvider(scheme, files, { isReadonly: scheme === READ_ONLY });
  try {
    await body(files);
  } finally {
    registration.dispose();
  }
}

const scaffold = () => vscode.commands.executeCommand<string | undefined>('goArchitect.scaffoldService', folder);

test('a virtual folder is scaffolded and undone', () =>
  on(SCHEME, async (files) => {
    const before = files.snapshot();
    contains((await runToEnd(scaffold())) ?? '', 'Start it with', 'message');
    for (const path of ['/shop/go.mod', '/shop/cmd/server/main.go', '/shop/internal/domain/order.go']) {
      ok(files.files.get(path), path);
    }
    await runToEnd(vscode.commands.executeCommand('goArchitect.undoScaffold'));
    equal(files.snapshot(), before, 'files after undo');
  }));

test('a read-only folder is refused before anything is asked', () =>
  on(READ_ONLY, async (files) => {
    const target = folder.with({ scheme: READ_ONLY });
    await eventually(() => equal(vscode.workspace.fs.isWritableFileSystem(READ_ONLY), false, 'writable'));
    const command = vscode.commands.executeCommand<string | undefined>('goArchitect.scaffoldService', target);
    const message = await runToEnd(command, async () => undefined);
    contains(message ?? '', 'its file system is read-only', 'message');
    equal(files.calls.writeFile + files.calls.createDirectory, 0, 'writes');
  }));

test('a full disk: what was created is removed again, the part of the last file too', () =>
  on(SCHEME, async (files) => {
    const before = files.snapshot();
    files.before = (operation, path) => {
      if (operation === 'writeFile' && files.calls.writeFile > 20) {
        files.files.set(path, '');
        throw vscode.FileSystemError.Unavailable('no space left on device');
      }
    };
    const message = (await runToEnd(scaffold())) ?? '';
    contains(message, 'Writing failed: ', 'message');
    contains(message, 'no space left on device', 'message');
    contains(message, 'What had been created was removed again.', 'message');
    equal(files.snapshot(), before, 'files');
    equal(files.calls.writeFile, 21, 'writes');
  }));

test('no permission: the message says so, nothing stays', () =>
  on(SCHEME, async (files) => {
    const before = files.snapshot();
    files.before = (operation, path) => {
      if (operation === 'createDirectory' && path === '/shop/internal') {
        throw vscode.FileSystemError.NoPermissions(vscode.Uri.from({ scheme: SCHEME, path }));
      }
    };
    const message = (await runToEnd(scaffold())) ?? '';
    contains(message, 'Writing failed: no permission to write internal. What had been', 'message');
    equal(files.snapshot(), before, 'files');
  }));

test('what cannot be removed after a fault is named', () =>
  on(SCHEME, async (files) => {
    files.before = (operation, path) => {
      if (
        (operation === 'writeFile' && files.calls.writeFile > 3) ||
        (operation === 'delete' && path.endsWith('ci.yml'))
      ) {
        throw vscode.FileSystemError.Unavailable('connection lost');
      }
    };
    const message = (await runToEnd(scaffold())) ?? '';
    contains(message, 'These could not be removed again: ', 'message');
    const left = files.snapshot().filter(([path, text]) => text !== undefined && path !== '/shop/notes.txt');
    ok(left.length > 0, 'something is left');
    for (const [path] of left) {
      contains(message, path.slice('/shop/'.length), 'message');
    }
  }));

test('writing is cancelled half-way in its notification', () =>
  on(SCHEME, async (files) => {
    const before = files.snapshot();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    files.before = async (operation) => {
      if (operation === 'writeFile' && files.calls.writeFile === 10) {
        await released;
      }
    };
    const command = scaffold();
    await eventually(async () => {
      if (files.calls.writeFile < 10) {
        await accept();
      }
      equal(files.calls.writeFile, 10, 'writes');
    }, 20_000);
    await cancelProgress();
    release();
    const message = await runToEnd(command);
    equal(message, 'Cancelled. What had been created was removed again.', 'message');
    equal(files.snapshot(), before, 'files');
    equal(files.calls.writeFile, 10, 'writes after the cancellation');
  }));

test('looking at what exists takes up to eight steps at once, and can be cancelled', () =>
  on(SCHEME, async (files) => {
    await runToEnd(scaffold());
    const before = files.snapshot();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    files.mostAtOnce = 0;
    files.before = async (operation, path) => {
      if (operation === 'stat' && path.startsWith('/shop/') && !path.endsWith('/go.mod')) {
        await released;
      }
    };
    const command = scaffold();
    await eventually(async () => {
      if (files.mostAtOnce < 3) {
        await vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem');
      }
      ok(files.mostAtOnce > 2, `${files.mostAtOnce} at once`);
    }, 20_000);
    ok(files.mostAtOnce <= 8, `${files.mostAtOnce} at once`);
    let ended = false;
    const ending = Promise.resolve(command).finally(() => {
      ended = true;
    });
    await eventually(async () => {
      await cancelProgress();
      ok(ended, 'the command has ended, though nothing has answered yet');
    });
    release();
    equal(await ending, undefined, 'message');
    equal(files.snapshot(), before, 'files');
  }));

test('a file system that has gone silent can be left', () =>
  on(SCHEME, async (files) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let waiting = false;
    files.before = async (operation, path) => {
      if (operation === 'stat' && path === '/shop') {
        waiting = true;
        await released;
      }
    };
    const message = await runToEnd(scaffold(), async () => {
      await (waiting
        ? cancelProgress()
        : vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem'));
    });
    equal(message, undefined, 'message');
    equal(files.calls.writeFile, 0, 'writes');
    release();
  }));

/** Presses Cancel in the notification that shows progress. */
async function cancelProgress(): Promise<void> {
  await vscode.commands.executeCommand('notification.acceptPrimaryAction');
}
