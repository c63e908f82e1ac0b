import * as vscode from 'vscode';
import type { Message } from '../core/chat/prompt.ts';
import { requestText } from '../core/chat/requestParts.ts';

/** The conversation so far as messages, oldest first; VS Code passes only this participant's own turns. */
export function historyOf(history: vscode.ChatContext['history']): Message[] {
  return history.flatMap((turn): Message[] => {
    if (turn instanceof vscode.ChatRequestTurn) {
      const command = turn.command ? `/${turn.command} ` : '';
      return [{ role: 'user', text: `${command}${requestText(turn.prompt)}` }];
    }
    const text = turn.response
      .map((part) => (part instanceof vscode.ChatResponseMarkdownPart ? part.value.value : ''))
      .join('');
    return text.trim() === '' ? [] : [{ role: 'assistant', text }];
  });
}
