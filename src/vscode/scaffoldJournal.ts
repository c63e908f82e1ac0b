import * as vscode from 'vscode';
import { folderOf, type JournalEntry, parseJournal, undoScaffold } from '../core/scaffold/journal.ts';
import { count } from '../core/words.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { folderName } from './folderName.ts';
import type { Log } from './log.ts';
import { refuseInRestrictedMode } from './restrictedMode.ts';

const FILE = 'scaffold-journal.json';
const MAX_ENTRIES = 10;

/** The last scaffoldings of this workspace, kept in the extension's own storage. */
export class ScaffoldJournal {
  readonly #folder: vscode.Uri;
  #last: Promise<void> = Promise.resolve();

  constructor(context: vscode.ExtensionContext) {
    this.#folder = context.storageUri ?? context.globalStorageUri;
  }

  async entries(): Promise<JournalEntry[]> {
    try {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(this.#folder, FILE));
      return parseJournal(new TextDecoder().decode(bytes));
    } catch (error) {
      if (error instanceof vscode.FileSystemError && error.code === 'FileNotFound') {
        return []; // nothing was scaffolded yet
      }
      throw error;
    }
  }

  add(entry: JournalEntry): Promise<void> {
    return this.#change((entries) => [entry, ...entries].slice(0, MAX_ENTRIES));
  }

  remove(entry: JournalEntry): Promise<void> {
    const same = JSON.stringify(entry);
    return this.#change((entries) => entries.filter((other) => JSON.stringify(other) !== same));
  }

  /** Changes follow one another: each begins with what the one before it wrote. */
  #change(next: (entries: readonly JournalEntry[]) => readonly JournalEntry[]): Promise<void> {
    const done = this.#last.then(async () => this.#write(next(await this.entries())));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(entries: readonly JournalEntry[]): Promise<void> {
    await vscode.workspace.fs.createDirectory(this.#folder);
    const text = JSON.stringify(entries);
    await vscode.workspace.fs.writeFile(vscode.Uri.joinPath(this.#folder, FILE), new TextEncoder().encode(text));
  }
}

/** Registers "Go Architect: Undo Scaffold". */
export function registerUndoScaffold(journal: ScaffoldJournal, platform: Platform, log: Log): vscode.Disposable {
  return vscode.commands.registerCommand('goArchitect.undoScaffold', async () => {
    if (await refuseInRestrictedMode()) {
      return;
    }
    const entries = await journal.entries();
    if (entries.length === 0) {
      await vscode.window.showInformationMessage(
        'There is nothing to undo: no service was scaffolded in this workspace.',
      );
      return;
    }
    const entry = await pickEntry(entries);
    if (entry === undefined) {
      return;
    }
    const target = new FolderFiles(vscode.Uri.parse(entry.target, true), platform);
    const { removed, left, failed } = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: `Undoing the scaffold of ${entry.modulePath}` },
      () => undoScaffold(entry, target),
    );
    // What could not be removed can be tried again.
    if (failed.length === 0) {
      await journal.remove(entry);
    }
    for (const path of left) {
      log.info(`Left by undo, because it has changed: ${path}`);
    }
    for (const path of failed) {
      log.info(`Undo could not remove: ${path}`);
    }
    const showLeft = 'Show What Is Left';
    const text = [
      `Removed ${count(removed.length, 'file')} of ${entry.modulePath}.`,
      left.length === 0 ? '' : `Left ${count(left.length, 'file')} that changed since.`,
      failed.length === 0 ? '' : `${count(failed.length, 'file')} could not be removed: run Undo Scaffold again.`,
    ];
    const show = failed.length === 0 ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
    const choice = await show(text.filter(Boolean).join(' '), ...(left.length + failed.length === 0 ? [] : [showLeft]));
    if (choice === showLeft) {
      log.show();
    }
  });
}

/** Asks before anything is removed, even if there is only one to choose. */
async function pickEntry(entries: readonly JournalEntry[]): Promise<JournalEntry | undefined> {
  const items = entries.map((entry) => ({
    label: entry.modulePath,
    description: new Date(entry.createdAt).toLocaleString(),
    detail: `${count(entry.files.length, 'file')} in ${folderName(vscode.Uri.joinPath(vscode.Uri.parse(entry.target), folderOf(entry)))}; those that changed stay`,
    entry,
  }));
  const choice = await vscode.window.showQuickPick(items, {
    title: 'Undo Scaffold',
    placeHolder: 'Which service should be removed again?',
  });
  return choice?.entry;
}
