import * as vscode from 'vscode';
import type { Catalogue, Pattern } from '../core/catalogue/catalogue.ts';
import { findPatterns } from '../core/catalogue/search.ts';
import type { Knowledge } from './assets.ts';
import { pageUri } from './patternCode.ts';

interface PatternItem extends vscode.QuickPickItem {
  readonly pattern?: Pattern;
}

const READ: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('book'),
  tooltip: 'Read when to use it',
};

/** Lets the user choose a pattern by name or by what it is for, with its page to the side on request. */
export function pickPattern(knowledge: Knowledge): Promise<Pattern | undefined> {
  const { catalogue } = knowledge;
  const pick = vscode.window.createQuickPick<PatternItem>();
  pick.title = 'Insert Pattern';
  pick.placeholder = 'Which pattern? Type what it is for, such as "kafka" or "throttle"; the book opens its page.';
  pick.items = byCategory(catalogue);
  return new Promise((resolve) => {
    pick.onDidChangeValue((typed) => {
      pick.items =
        typed.trim() === '' ? byCategory(catalogue) : findPatterns(catalogue, knowledge.search, typed).map(itemOf);
    });
    pick.onDidTriggerItemButton(async ({ item }) => {
      if (item.pattern) {
        pick.ignoreFocusOut = true;
        await vscode.commands.executeCommand('markdown.showPreviewToSide', pageUri(item.pattern));
        pick.show(); // brings the focus back
      }
    });
    pick.onDidAccept(() => {
      // Enter pressed before the new list is on the screen names no entry of it: it means the best match.
      const [best] = pick.items.filter(({ pattern }) => pattern);
      resolve((pick.selectedItems[0] ?? best)?.pattern);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

function byCategory({ patterns }: Catalogue): PatternItem[] {
  return [...Map.groupBy(patterns, ({ category }) => category)].flatMap(([category, members]) => [
    { label: category, kind: vscode.QuickPickItemKind.Separator },
    ...members.map(itemOf),
  ]);
}

/** The list shows what the search found, in its order, whether or not the typed words stand in it. */
function itemOf(pattern: Pattern): PatternItem {
  const { title, prefix, libraries, summary } = pattern;
  return {
    pattern,
    label: title,
    description: libraries.length === 0 ? prefix : `${prefix}, with ${libraries.join(', ')}`,
    detail: summary,
    buttons: [READ],
    alwaysShow: true,
  };
}
