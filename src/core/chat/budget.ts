/** Counts the tokens of a text as the model does. */
export type TokenCounter = (text: string) => PromiseLike<number>;

/** A text cut to a budget. */
export interface FittedText {
  /** Empty if nothing of it fits. */
  readonly text: string;
  readonly tokens: number;
  /** Where it was cut, in words for the user; undefined if it is whole or empty. */
  readonly cut?: string;
}

/** What no tokeniser exceeds by much: English and Go have about four characters to a token, other scripts fewer. */
export function estimateTokens(text: string): number {
  return Math.ceil(text.length / 3);
}

/**
 * Makes a counter that always answers: one that throws or gives no sensible number costs an estimate, and one that is
 * silent is asked no more after the first time.
 * @param patience resolves when a count has taken too long.
 */
export function dependableCounter(count: TokenCounter, patience: () => Promise<void>): TokenCounter {
  const SILENT = Symbol('silent');
  let isSilent = false;
  return async (text) => {
    if (isSilent) {
      return estimateTokens(text);
    }
    try {
      const tokens = await Promise.race([count(text), patience().then(() => SILENT)]);
      if (tokens === SILENT) {
        isSilent = true;
      }
      return typeof tokens === 'number' && Number.isFinite(tokens) && tokens >= 0 ? tokens : estimateTokens(text);
    } catch {
      return estimateTokens(text);
    }
  };
}

// Each count is a round trip to the model's host.
const MAX_COUNTS = 8;

/**
 * Cuts a text so that it fits a budget: at the end of a line, or inside a line that is a large part of what fits.
 * @param budget tokens; below one nothing fits.
 * @param count counts a candidate with whatever will be wrapped around it.
 * @param whole the count of the whole text, if it is known.
 */
export async function fitText(text: string, budget: number, count: TokenCounter, whole?: number): Promise<FittedText> {
  if (budget < 1 || text === '') {
    return { text: '', tokens: 0 };
  }
  let tokens = whole ?? (await count(text));
  if (tokens <= budget) {
    return { text, tokens };
  }
  let kept = text.length;
  // Shrinks in proportion to the overshoot, with a tenth to spare.
  for (let counts = 0; counts < MAX_COUNTS; counts++) {
    const end = Math.floor((kept * budget * 0.9) / tokens);
    const line = text.lastIndexOf('\n', end);
    kept = line > end / 2 ? line : wholeCharacter(text, end);
    if (kept < 1) {
      break;
    }
    const candidate = text.slice(0, kept);
    tokens = await count(candidate);
    if (tokens <= budget) {
      const cut = kept === line ? `after line ${lines(candidate)}` : `after character ${kept}`;
      return { text: candidate, tokens, cut };
    }
  }
  return { text: '', tokens: 0 };
}

/** The offset, moved before a surrogate pair that it would split. */
function wholeCharacter(text: string, offset: number): number {
  const code = text.charCodeAt(offset - 1);
  return code >= 0xd800 && code <= 0xdbff ? offset - 1 : offset;
}

function lines(text: string): number {
  let number = 1;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    number++;
  }
  return number;
}
