import type * as vscode from 'vscode';
import { register } from './extension.ts';

/** Entry point of the web worker extension host: VS Code in the browser. */
export function activate(context: vscode.ExtensionContext): void {
  register(context, {});
}
