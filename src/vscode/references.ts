import * as vscode from 'vscode';
import type { Attachment } from '../core/chat/prompt.ts';
import { isAttachedByUser } from '../core/chat/userReferences.ts';

const MAX_BYTES = 512 * 1024;
const MAX_NAMES = 1000;

/** What the user attached to a request, with what could not be used. */
export interface ResolvedReferences {
  readonly attachments: readonly Attachment[];
  /** Paths of what was attached, from the workspace's root. */
  readonly paths: readonly string[];
  /** Names of attachments that could not be read, with the reason. */
  readonly unusable: readonly string[];
}

/** Reads the files, selections and texts that the user attached, in the order of the request. */
export async function resolveReferences(
  references: readonly vscode.ChatPromptReference[],
): Promise<ResolvedReferences> {
  const attachments: Attachment[] = [];
  const paths: string[] = [];
  const unusable: string[] = [];
  // VS Code lists them last first.
  for (const reference of references.toReversed().filter(isUsers)) {
    const { value } = reference;
    if (typeof value === 'string') {
      attachments.push({ tag: 'reference', name: shownName(reference) ?? 'attached text', text: value });
    } else if (value instanceof vscode.Uri) {
      const name = nameOf(value);
      paths.push(name);
      const read = await readText(value);
      if (typeof read === 'string') {
        attachments.push({ tag: 'reference', name, text: read });
      } else {
        unusable.push(`${name} (${read.reason})`);
      }
    } else if (value instanceof vscode.Location) {
      const name = `${nameOf(value.uri)}:${value.range.start.line + 1}-${value.range.end.line + 1}`;
      paths.push(nameOf(value.uri));
      try {
        const document = await vscode.workspace.openTextDocument(value.uri);
        attachments.push({ tag: 'selection', name, text: document.getText(value.range) });
      } catch {
        unusable.push(`${name} (cannot be read)`);
      }
    } else {
      unusable.push(`${shownName(reference) ?? 'an attachment'} (only files, selections and text can be sent)`);
    }
  }
  return { attachments, paths, unusable };
}

/** Whether the user attached it, rather than VS Code or another extension. */
function isUsers(reference: vscode.ChatPromptReference): boolean {
  const { id, value, range, modelDescription } = reference;
  const kind =
    typeof value === 'string'
      ? 'text'
      : value instanceof vscode.Uri
        ? 'file'
        : value instanceof vscode.Location
          ? 'selection'
          : 'other';
  return isAttachedByUser({ id, name: shownName(reference), modelDescription, isTyped: range !== undefined, kind });
}

/** The name that the chat view shows; the stable types do not have it. */
function shownName(reference: vscode.ChatPromptReference): string | undefined {
  return 'name' in reference && typeof reference.name === 'string' ? reference.name : undefined;
}

/** The path in the workspace; of a file outside only its name, since a path says much about its user's machine. */
function nameOf(uri: vscode.Uri): string {
  return vscode.workspace.getWorkspaceFolder(uri)
    ? vscode.workspace.asRelativePath(uri)
    : (uri.path.split('/').findLast((part) => part !== '') ?? 'file');
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
      const shown = names
        .slice(0, MAX_NAMES)
        .map(([name, type]) => (type & vscode.FileType.Directory ? `${name}/` : name));
      return [...shown, ...(names.length > MAX_NAMES ? [`(and ${names.length - MAX_NAMES} more)`] : [])].join('\n');
    }
    if (stat.size > MAX_BYTES) {
      return { reason: 'larger than 512 kB' };
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await vscode.workspace.fs.readFile(uri));
  } catch (error) {
    return { reason: error instanceof TypeError ? 'not a text file' : 'cannot be read' };
  }
}
