import { plainName } from '../words.ts';

/** The tags that material stands in; `media/agent/go-architect.agent.md` tells the model what each holds. */
export const TAGS = [
  'request',
  'workspace',
  'reference',
  'selection',
  'pattern',
  'topic',
  'history',
  'answer',
] as const;

/** The name of a tag, to which each request adds its nonce. */
export type Tag = (typeof TAGS)[number];

/**
 * Wraps data in a tag that carries the nonce of the request. Data cannot know the nonce, so that no closing tag inside
 * it ends its wrapping, and it arrives unchanged.
 * @param nonce letters and digits that nobody can guess, new for each request.
 */
export function tagged(tag: Tag, nonce: string, attributes: Readonly<Record<string, string>>, text: string): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${plainName(value)}"`);
  return `<${tag}-${nonce}${list.join('')}>\n${text}\n</${tag}-${nonce}>`;
}
