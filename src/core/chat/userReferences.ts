/** What VS Code hands over beside the words of a request, as far as it tells who attached it. */
export interface Reference {
  readonly id: string;
  /** The name in the chat view; not in the stable API of every version. */
  readonly name: string | undefined;
  /** Said by what adds context by itself, such as another extension; not in the stable API of every version. */
  readonly modelDescription: string | undefined;
  /** Whether it stands in the words of the request, as `#file:main.go` does. */
  readonly isTyped: boolean;
  readonly kind: 'file' | 'selection' | 'text' | 'other';
}

/**
 * Whether the user attached a reference. VS Code adds others by itself: the index of customisations and instruction
 * files in agent mode (`vscode.customizations.index`, `vscode.instructions.file.…`), the file, selection or text in view
 * (`vscode.implicit.…`), and what other extensions tell of the workspace, which comes as a text with its name as its id.
 */
export function isAttachedByUser({ id, name, modelDescription, isTyped, kind }: Reference): boolean {
  if (isTyped) {
    return true;
  }
  if (/^vscode[.:]/i.test(id) || name?.startsWith('prompt:')) {
    return false;
  }
  return kind !== 'text' || !(name === id && modelDescription !== undefined);
}
