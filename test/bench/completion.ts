/** Completion of patterns, from the question to the list, in a Go file of a folder with others: in every extension host. */
import * as vscode from 'vscode';
import { extension, workspaceFolder, writeText } from '../host/extension.ts';
import { ok } from '../host/registry.ts';
import { send } from '../host/wire.ts';

/** Milliseconds. */
export interface CompletionSample {
  /** The first list after the start, what the catalogue holds read with it. */
  readonly first: number;
  /** The median of the lists after it. */
  readonly again: number;
  /** The median in a function, where nothing is offered. */
  readonly elsewhere: number;
}

const TIMES = 21;
const SIBLINGS = 30;

/** Measures once and sends the sample. */
export async function run(): Promise<void> {
  await extension().activate();
  const folder = vscode.Uri.joinPath(workspaceFolder(), 'pay');
  const text = `package pay\n\nfunc f() {\n\t\n}\n${'\nvar _ = 1\n'.repeat(500)}\n`;
  for (let number = 0; number < SIBLINGS; number++) {
    await writeText(vscode.Uri.joinPath(folder, `sibling${number}.go`), text);
  }
  const uri = vscode.Uri.joinPath(folder, 'pay.go');
  await writeText(uri, `${text}arch`);
  const document = await vscode.workspace.openTextDocument(uri);
  await vscode.window.showTextDocument(document);
  const end = document.positionAt(document.getText().length);
  const list = async (at: vscode.Position, isOffered: boolean) => {
    const began = performance.now();
    const { items } = await vscode.commands.executeCommand<vscode.CompletionList>(
      'vscode.executeCompletionItemProvider',
      uri,
      at,
    );
    ok(items.some(({ filterText }) => filterText?.startsWith('arch')) === isOffered, 'the patterns are offered');
    return performance.now() - began;
  };
  const first = await list(end, true);
  const again = await median(() => list(end, true));
  const elsewhere = await median(() => list(new vscode.Position(3, 1), false));
  send({ first, again, elsewhere } satisfies CompletionSample);
  send('end');
}

async function median(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < TIMES; count++) {
    times.push(await measure());
  }
  return times.sort((a, b) => a - b)[TIMES >> 1] ?? Number.NaN;
}
