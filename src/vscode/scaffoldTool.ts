import * as vscode from 'vscode';
import { modulePathProblem } from '../core/scaffold/modulePath.ts';
import { decodeOptions } from '../core/scaffold/options.ts';
import { folderPathProblem } from '../core/scaffold/suggest.ts';
import type { Scaffolder } from './scaffold.ts';
import { type ScaffoldAnswers, targetUri } from './scaffoldInput.ts';

/** What the model passes; checked here, since a model can pass anything. */
type Input = Readonly<Record<string, unknown>>;

/** Registers the tool by which agent mode scaffolds a service, after the user has confirmed what will be written. */
export function registerScaffoldTool(scaffolder: Scaffolder): vscode.Disposable[] {
  if (!vscode.lm?.registerTool) {
    return [];
  }
  const tool: vscode.LanguageModelTool<Input> = {
    async prepareInvocation({ input }) {
      const answers = answersOf(input);
      if (typeof answers === 'string') {
        return { invocationMessage: 'Checking what to scaffold' };
      }
      const { create, skip } = await scaffolder.plan(answers);
      const folder = vscode.workspace.asRelativePath(targetUri(answers.target));
      const list = create.slice(0, 12).map(({ path }) => `- \`${path}\``);
      const more = create.length > list.length ? [`- and ${create.length - list.length} more`] : [];
      const skipped = skip.length === 0 ? [] : ['', `${skip.length} files exist already and are left alone.`];
      return {
        invocationMessage: `Scaffolding ${answers.options.modulePath}`,
        confirmationMessages: {
          title: 'Scaffold a Go service',
          message: new vscode.MarkdownString(
            [`Create ${create.length} files in \`${folder}\`:`, '', ...list, ...more, ...skipped].join('\n'),
          ),
        },
      };
    },
    async invoke({ input }, token) {
      const answers = answersOf(input);
      if (typeof answers === 'string') {
        return say(answers);
      }
      const plan = await scaffolder.plan(answers);
      const { files, skipped } = await scaffolder.write(answers, plan, token);
      return say(
        [
          `Created ${files.length} files of module ${answers.options.modulePath}.`,
          skipped.length === 0 ? '' : `These existed and were left alone: ${skipped.join(', ')}.`,
          'Build with "go build ./...", test with "go test ./...", start with "go run ./cmd/server".',
        ]
          .filter(Boolean)
          .join(' '),
      );
    },
  };
  return [vscode.lm.registerTool('goArchitect_scaffoldService', tool)];
}

function say(text: string): vscode.LanguageModelToolResult {
  return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(text)]);
}

/** Where and what to scaffold, or what is wrong with the input and what to do about it, for the model. */
function answersOf(input: Input): ScaffoldAnswers | string {
  if (!vscode.workspace.isTrusted) {
    return 'The workspace is in Restricted Mode, so nothing is written. Ask the user to trust it.';
  }
  const options = decodeOptions(input);
  const problem = modulePathProblem(options.modulePath);
  if (problem !== undefined) {
    return `modulePath: ${problem}`;
  }
  const folder = typeof input.folder === 'string' ? input.folder.replace(/^\.\/?|\/$/g, '') : '';
  const folderProblem = folder === '' ? undefined : folderPathProblem(folder);
  if (folderProblem !== undefined) {
    return `folder: ${folderProblem}`;
  }
  const root = vscode.workspace.workspaceFolders?.[0];
  if (root === undefined) {
    return 'No folder is open. Ask the user to open one.';
  }
  return { target: { base: root.uri, baseName: root.name, path: folder }, options };
}
