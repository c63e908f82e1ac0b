import { COMPONENT_DESCRIPTIONS, LAYOUT_DESCRIPTIONS, type ScaffoldOptions } from '../scaffold/options.ts';
import type { Open } from './scaffoldProposal.ts';

/** Where an option comes from. */
export type Source = 'sentence' | 'module' | 'model' | 'default';

/** What /scaffold found out. */
export interface ScaffoldReading {
  readonly options: ScaffoldOptions;
  readonly sources: Readonly<Record<Open, Source>>;
  /** The folder as the user knows it; undefined if the sentence names none. */
  readonly folder: string | undefined;
  /** The name of the model that was asked. */
  readonly model: string;
  /** How many files the service has. */
  readonly files: number;
}

/** Says what the service would be, and where each choice comes from. */
export function scaffoldAnswer({ options, sources, folder, model, files }: ScaffoldReading): string {
  const { modulePath, components, layout } = options;
  const words: Readonly<Record<Source, string>> = {
    sentence: 'from your request',
    module: 'from the go.mod in the folder',
    model: `proposed by ${model}`,
    default: 'default',
  };
  const asked = folder === undefined && sources.modulePath !== 'sentence';
  const parts = ['HTTP', ...[...components].map((component) => COMPONENT_DESCRIPTIONS[component].label)];
  return [
    `A clean-architecture service of ${files} files. It builds, passes its tests and serves HTTP with \`go run ./cmd/server\` on an in-memory store.`,
    [
      `- **Folder**: ${folder === undefined ? 'asked when you choose **Create**' : `\`${folder}\` (${words.sentence})`}`,
      `- **Module path**: \`${modulePath}\` (${words[sources.modulePath]}${asked ? '; asked again with the folder' : ''})`,
      `- **Components**: ${parts.join(', ')} (${words[sources.components]})`,
      `- **Layout**: ${LAYOUT_DESCRIPTIONS[layout].label} (${words[sources.layout]})`,
    ].join('\n'),
    'Open any file below to read it first. Nothing is written until you choose **Create**; files that exist are never changed.',
  ].join('\n\n');
}
