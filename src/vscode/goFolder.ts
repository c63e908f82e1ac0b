import * as vscode from 'vscode';
import type { SourceFile } from '../core/go/package.ts';

// More than any folder of the Go distribution or of Kubernetes holds; the rest of such a folder is not looked at.
const MAX_FILES = 2000;
const MAX_BYTES = 4_000_000;

/**
 * The Go files of a folder as they stand in the editor, or else on disk; empty for a folder that does not exist.
 * @throws the signal's reason when it aborts.
 */
export async function goFilesIn(folder: vscode.Uri, signal?: AbortSignal): Promise<SourceFile[]> {
  const open = new Map(
    vscode.workspace.textDocuments
      .filter(({ uri, isClosed }) => !isClosed && uri.scheme === folder.scheme)
      .map((document) => [document.uri.toString(), document]),
  );
  let names: string[];
  try {
    const entries = await vscode.workspace.fs.readDirectory(folder);
    names = entries
      .filter(([name, type]) => name.endsWith('.go') && !(type & vscode.FileType.Directory))
      .map(([name]) => name)
      .sort()
      .slice(0, MAX_FILES);
  } catch {
    return []; // there is no such folder yet, or nobody may read it
  }
  const files = await Promise.all(
    names.map(async (name): Promise<SourceFile[]> => {
      const uri = vscode.Uri.joinPath(folder, name);
      const document = open.get(uri.toString());
      if (document) {
        return [{ name, text: document.getText() }];
      }
      try {
        signal?.throwIfAborted();
        const bytes = await vscode.workspace.fs.readFile(uri);
        return bytes.length > MAX_BYTES ? [] : [{ name, text: new TextDecoder().decode(bytes) }];
      } catch {
        signal?.throwIfAborted();
        return []; // deleted since it was listed, or not readable: it says nothing then
      }
    }),
  );
  return files.flat();
}

/** Why nothing can be written into a document, or undefined if it can. */
export async function readOnlyReason(document: vscode.TextDocument): Promise<string | undefined> {
  const { uri } = document;
  const name = vscode.workspace.asRelativePath(uri);
  if (uri.scheme === 'untitled') {
    return undefined;
  }
  if (vscode.workspace.fs.isWritableFileSystem(uri.scheme) !== true) {
    return `${name} is shown by something that cannot be written to.`;
  }
  try {
    const { permissions } = await vscode.workspace.fs.stat(uri);
    return permissions !== undefined && permissions & vscode.FilePermission.Readonly
      ? `${name} is read-only.`
      : undefined;
  } catch {
    return undefined; // never saved, or deleted: the editor keeps its text
  }
}
