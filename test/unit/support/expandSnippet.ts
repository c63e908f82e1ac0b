/**
 * Expands a snippet body with its defaults: placeholders, choices (the first), mirrors, escapes, and variables with a
 * transform that deletes what it matches. `typed` is what a person types over the tab stops, first stop first. An independent reading of the snippet syntax, to check the generator against.
 */
export function expand(
  body: string,
  variables: Readonly<Record<string, string>> = {},
  typed: readonly string[] = [],
): string {
  const defaults = new Map<string, string>();
  let out = '';
  let at = 0;
  while (at < body.length) {
    const rest = body.slice(at);
    const escaped = /^\\([\\$}])/.exec(rest);
    const choice = /^\$\{(\d+)\|((?:\\.|[^|\\])*)\|\}/.exec(rest);
    const placeholder = /^\$\{(\d+):((?:\\.|[^}\\])*)\}/.exec(rest);
    const variable = /^\$\{([A-Z_]+)\/((?:\\\/|[^/])*)\/\/g\}/.exec(rest);
    const mirror = /^\$(?:\{(\d+)\}|(\d+))/.exec(rest);
    const match = escaped ?? choice ?? placeholder ?? variable ?? mirror;
    if (!match) {
      out += rest[0];
      at += 1;
      continue;
    }
    at += match[0].length;
    if (escaped) {
      out += escaped[1];
    } else if (choice) {
      const first = (choice[2] ?? '').split(/(?<!\\),/)[0] ?? '';
      out += remember(choice[1] ?? '', first);
    } else if (placeholder) {
      out += remember(placeholder[1] ?? '', placeholder[2] ?? '');
    } else if (variable) {
      const value = variables[variable[1] ?? ''] ?? '';
      out += value.replace(new RegExp((variable[2] ?? '').replaceAll('\\/', '/'), 'g'), '');
    } else {
      const number = mirror?.[1] ?? mirror?.[2] ?? '';
      if (number !== '0' && !defaults.has(number)) {
        throw new RangeError(`tab stop ${number} is mirrored before it is given`);
      }
      out += defaults.get(number) ?? '';
    }
  }
  return out;

  function remember(number: string, text: string): string {
    const value = typed[Number(number) - 1] ?? text.replace(/\\(.)/g, '$1');
    defaults.set(number, value);
    return value;
  }
}
