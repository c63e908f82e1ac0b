/** What a chat request to a model asks for. */
export interface ModelRequest {
  readonly command: string | undefined;
  readonly request: string;
}

// What VS Code's own chat wraps the user's words in, over its versions.
const CHAT_TAGS = ['userRequest', 'user_query', 'prompt'];

/**
 * Finds the user's own words in the last message to a model: in the tag of VS Code's own chat, or the whole message.
 * Attachments stand before them, so that only the last tag counts, however many an attached file holds. A leading slash
 * command is split off.
 */
export function parseModelRequest(message: string): ModelRequest {
  let text = message;
  let last = -1;
  for (const tag of CHAT_TAGS) {
    const close = message.lastIndexOf(`</${tag}>`);
    const open = message.lastIndexOf(`<${tag}>`, close);
    if (open >= 0 && close > last) {
      last = close;
      text = message.slice(open + tag.length + 2, close);
    }
  }
  text = text.trim();
  if (text.startsWith('@go-architect')) {
    text = text.slice('@go-architect'.length).trimStart();
  }
  const command = /^\/([a-z]{1,40})\b/.exec(text)?.[1];
  return command === undefined
    ? { command, request: text }
    : { command, request: text.slice(command.length + 1).trimStart() };
}
