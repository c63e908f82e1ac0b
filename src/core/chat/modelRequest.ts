/** What a chat request to a model asks for. */
export interface ModelRequest {
  readonly command: string | undefined;
  readonly request: string;
}

/**
 * Finds the user's own words in the last message to a model: inside our `<request>` tag, inside the tag of VS Code's
 * own chat, or the whole message. A leading slash command is split off.
 */
export function parseModelRequest(message: string): ModelRequest {
  const ours = /<request(?:\s+command="([^"]*)")?\s*>\n?([\s\S]*?)\n?<\/request>/.exec(message);
  if (ours) {
    return { command: ours[1], request: (ours[2] ?? '').trim() };
  }
  const theirs = /<(userRequest|user_query|prompt)>([\s\S]*?)<\/\1>/.exec(message);
  const text = (theirs?.[2] ?? message).trim();
  const slash = /^(?:@go-architect\s+)?\/([a-z]+)\b\s*([\s\S]*)$/.exec(text);
  return slash ? { command: slash[1], request: slash[2] ?? '' } : { command: undefined, request: text };
}
