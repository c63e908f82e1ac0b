/** Lists things in a sentence, the first few by name. */
export function listed(items: readonly string[], most: number): string {
  const rest = items.length - most;
  return items.slice(0, most).join(', ') + (rest > 0 ? `, and ${rest} more` : '');
}

/** A number with its noun: "1 file", "2 files". */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

const MAX_NAME = 160;

/**
 * A name from outside as one line that cannot pose as anything else: without line breaks, control, bidirectional and
 * invisible characters (https://www.unicode.org/reports/tr36/), quotes and angle brackets, and cut to a length.
 */
export function plainName(name: string): string {
  const plain = name.slice(0, 4 * MAX_NAME).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}"<>]/gu, ' ');
  return plain.length > MAX_NAME ? `${[...plain].slice(0, MAX_NAME).join('')}…` : plain;
}
