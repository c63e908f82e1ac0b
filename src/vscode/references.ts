import * as vscode from 'vscode';
import type { Attachment } from '../core/chat/prompt.ts';

const MAX_BYTES = 512 * 1024;

/** What the user attached to a request, with what could not be used. */
export interface ResolvedReferences {
  readonly attachments: readonly Attachment[];
  /** Names of attachments that could not be read, with the reason. */
  readonly unreadable: readonly string[];
}

/** Reads the files, selections and texts that the user attached, in the order of the request. */
export async function resolveReferences(
  references: readonly vscode.ChatPromptReference[],
): Promise<ResolvedReferences> {
  const attachments: Attachment[] = [];
  const unreadable: string[] = [];
  // VS Code lists them last first.
  for (const { id, value } of references.toReversed()) {
    if (typeof value === 'string') {
      attachments.push({ tag: 'reference', name: id, text: value });
    } else if (value instanceof vscode.Uri) {
      const name = vscode.workspace.asRelativePath(value);
      const read = await readText(value);
      if (typeof read === 'string') {
        attachments.push({ tag: 'reference', name, text: read });
      } else {
        unreadable.push(`${name} (${read.reason})`);
      }
    } else if (value instanceof vscode.Location) {
      const name = `${vscode.workspace.asRelativePath(value.uri)}:${value.range.start.line + 1}-${value.range.end.line + 1}`;
      try {
        const document = await vscode.workspace.openTextDocument(value.uri);
        attachments.push({ tag: 'selection', name, text: document.getText(value.range) });
      } catch {
        unreadable.push(`${name} (cannot be read)`);
      }
    } else {
      unreadable.push(`${id} (only files, selections and text can be sent)`);
    }
  }
  return { attachments, unreadable };
}

/** The text of a file as the editor has it, or why it cannot be sent. */
async function readText(uri: vscode.Uri): Promise<string | { reason: string }> {
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open) {
    return open.getText();
  }
  try {
    const stat = await vscode.workspace.fs.stat(uri);
    if (stat.type & vscode.FileType.Directory) {
      const names = await vscode.workspace.fs.readDirectory(uri);
      return names.map(([name, type]) => (type & vscode.FileType.Directory ? `${name}/` : name)).join('\n');
    }
    if (stat.size > MAX_BYTES) {
      return { reason: 'larger than 512 kB' };
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await vscode.workspace.fs.readFile(uri));
  } catch (error) {
    return { reason: error instanceof TypeError ? 'not a text file' : 'cannot be read' };
  }
}
