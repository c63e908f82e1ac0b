import * as vscode from 'vscode';

/** The user went back a step. */
export const BACK = Symbol('back');

interface Step {
  readonly title: string;
  readonly step: number;
  readonly totalSteps: number;
  readonly canGoBack: boolean;
}

interface TextStep extends Step {
  readonly prompt: string;
  readonly placeholder?: string;
  readonly value: string;
  /** What is wrong with a value, shown beside the field; the value is not taken while there is a problem. */
  readonly problemOf: (value: string) => string | undefined;
}

/** Asks for one line of text. @returns undefined if the user gave up. */
export function inputText(options: TextStep): Promise<string | typeof BACK | undefined> {
  const box = vscode.window.createInputBox();
  box.title = options.title;
  box.step = options.step;
  box.totalSteps = options.totalSteps;
  box.prompt = options.prompt;
  box.placeholder = options.placeholder;
  box.value = options.value;
  box.ignoreFocusOut = true;
  box.buttons = options.canGoBack ? [vscode.QuickInputButtons.Back] : [];
  return new Promise((resolve) => {
    box.onDidChangeValue((value) => {
      box.validationMessage = value === '' ? undefined : options.problemOf(value.trim());
    });
    box.onDidAccept(() => {
      const value = box.value.trim();
      const problem = options.problemOf(value);
      box.validationMessage = problem;
      if (problem === undefined) {
        resolve(value);
        box.hide();
      }
    });
    box.onDidTriggerButton(() => {
      resolve(BACK);
      box.hide();
    });
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}

interface PickStep<T extends vscode.QuickPickItem> extends Step {
  readonly placeholder: string;
  readonly items: readonly T[];
  /** The item that Enter takes. */
  readonly active?: T | undefined;
}

/** Asks to choose one item. @returns undefined if the user gave up. */
export async function pickItem<T extends vscode.QuickPickItem>(
  options: PickStep<T>,
): Promise<T | typeof BACK | undefined> {
  const chosen = await choose(options, false);
  return chosen === BACK ? BACK : chosen?.[0];
}

/** Asks to choose any number of items, none included. @returns undefined if the user gave up. */
export function pickItems<T extends vscode.QuickPickItem>(
  options: PickStep<T>,
): Promise<readonly T[] | typeof BACK | undefined> {
  return choose(options, true);
}

function choose<T extends vscode.QuickPickItem>(
  options: PickStep<T>,
  many: boolean,
): Promise<readonly T[] | typeof BACK | undefined> {
  const pick = vscode.window.createQuickPick<T>();
  pick.title = options.title;
  pick.step = options.step;
  pick.totalSteps = options.totalSteps;
  pick.placeholder = options.placeholder;
  pick.canSelectMany = many;
  pick.ignoreFocusOut = true;
  pick.items = options.items;
  if (many) {
    pick.selectedItems = options.items.filter(({ picked }) => picked);
  } else if (options.active) {
    pick.activeItems = [options.active];
  }
  pick.buttons = options.canGoBack ? [vscode.QuickInputButtons.Back] : [];
  return new Promise((resolve) => {
    pick.onDidAccept(() => {
      resolve(pick.selectedItems);
      pick.hide();
    });
    pick.onDidTriggerButton(() => {
      resolve(BACK);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}
