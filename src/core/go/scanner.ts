/**
 * What a token is. `;` stands for a semicolon that is written, or that a line end puts in. `illegal` is a character that
 * Go has no use for. `end` is the end of the text.
 */
export type TokenKind =
  | 'name'
  | 'keyword'
  | 'number'
  | 'rune'
  | 'string'
  | 'operator'
  | ';'
  | 'comment'
  | 'illegal'
  | 'end';

/** Characters by their code, named as Go's specification writes them. */
export const CODE = {
  openParenthesis: 40,
  closeParenthesis: 41,
  asterisk: 42,
  comma: 44,
  dot: 46,
  slash: 47,
  openBracket: 91,
  closeBracket: 93,
  openBrace: 123,
  closeBrace: 125,
} as const;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const DOUBLE_QUOTE = 34;
const SINGLE_QUOTE = 39;
const SEMICOLON = 59;
const BACKSLASH = 92;
const UNDERSCORE = 95;
const BACK_QUOTE = 96;
const BYTE_ORDER_MARK = 0xfeff;

// https://go.dev/ref/spec#Keywords
const KEYWORDS: ReadonlySet<string> = new Set(
  `break case chan const continue default defer else fallthrough for func go goto if import interface map package range
  return select struct switch type var`.split(/\s+/),
);

// By length and first letter, which leaves one or two to compare with.
const KEYWORDS_BY_SHAPE = Map.groupBy(KEYWORDS, (keyword) => shapeOf(keyword.charCodeAt(0), keyword.length));

function shapeOf(code: number, length: number): number {
  return length * 128 + code;
}

function keywordAt(text: string, start: number, length: number): string | undefined {
  return KEYWORDS_BY_SHAPE.get(shapeOf(text.charCodeAt(start), length))?.find((keyword) =>
    text.startsWith(keyword, start),
  );
}

// A line that ends after one of these ends a statement (https://go.dev/ref/spec#Semicolons).
const ENDING_KEYWORDS: ReadonlySet<string> = new Set(['break', 'continue', 'fallthrough', 'return']);

// https://go.dev/ref/spec#Operators_and_punctuation, of two and three characters and more.
const LONG_OPERATORS: ReadonlySet<string> = new Set(
  '&^= <<= >>= ... += -= *= /= %= &= |= ^= && || <- ++ -- == != <= >= := << >> &^'.split(' '),
);
const OPERATOR_CHARACTERS = '+-*/%&|^<>=!()[]{},.:~';

const IS_OPERATOR = new Uint8Array(128);
for (const character of OPERATOR_CHARACTERS) {
  IS_OPERATOR[character.charCodeAt(0)] = 1;
}
// What may stand behind the first character of an operator of several.
const IS_OPERATOR_TAIL = new Uint8Array(128);
for (const operator of LONG_OPERATORS) {
  for (const character of operator.slice(1)) {
    IS_OPERATOR_TAIL[character.charCodeAt(0)] = 1;
  }
}

// What a character does to the search for a closing bracket.
const OPENS = 1;
const CLOSES = 2;
const ROLE_OF_OTHERS = 3;
const ROLE = new Uint8Array(128).map((_, code) => {
  const character = String.fromCharCode(code);
  if ('([{'.includes(character)) {
    return OPENS;
  }
  if (')]}'.includes(character)) {
    return CLOSES;
  }
  const isPlain = isLetter(code) || isDigit(code) || ' \t\r\n;'.includes(character);
  return isPlain || (IS_OPERATOR[code] === 1 && character !== '/') ? 0 : ROLE_OF_OTHERS;
});

/** The bracket that closes one; 0 if it is none that opens. No operator of several characters begins with a bracket. */
export function closerOf(code: number): number {
  switch (code) {
    case CODE.openParenthesis:
      return CODE.closeParenthesis;
    case CODE.openBracket:
      return CODE.closeBracket;
    case CODE.openBrace:
      return CODE.closeBrace;
    default:
      return 0;
  }
}

/**
 * Reads Go token by token, as go/scanner does (https://go.dev/ref/spec#Lexical_elements), in one pass over any text: what
 * is no Go becomes `illegal` tokens, never an exception. The fields describe the token that `next` moved to; offsets count
 * UTF-16 units. A comment comes before the semicolon that the end of its line puts in.
 */
export class Scanner {
  readonly text: string;
  kind: TokenKind = 'end';
  start: number;
  end: number;
  /** The token's first character. */
  code = 0;
  /** True for a semicolon that a line end put in; it has no length. */
  isAutomatic = false;
  /** True for a string, rune or comment that the text ends before. */
  isUnclosed = false;
  readonly #limit: number;
  #at: number;
  /** Whether a line end here ends a statement. */
  #endsStatement = false;
  /** A comment over several lines has passed where a semicolon belongs. */
  #owesSemicolon = false;

  /** @param start where to begin, outside of any string or comment. @param end where to stop. */
  constructor(text: string, start = 0, end = text.length) {
    this.text = text;
    this.#limit = end;
    this.#at = start === 0 && text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : start;
    this.start = this.#at;
    this.end = this.#at;
  }

  /** The token as it is written. */
  get lexeme(): string {
    return this.text.slice(this.start, this.end);
  }

  /** Whether the token is this operator of one character. */
  is(code: number): boolean {
    return this.kind === 'operator' && this.code === code && this.end === this.start + 1;
  }

  /** Moves to the next token. */
  next(): TokenKind {
    const { text } = this;
    const limit = this.#limit;
    this.isAutomatic = false;
    this.isUnclosed = false;
    if (this.#owesSemicolon) {
      return this.#semicolon(this.#at);
    }
    for (;;) {
      if (this.#at >= limit) {
        if (this.#endsStatement) {
          return this.#semicolon(limit);
        }
        return this.#token('end', limit, limit);
      }
      const start = this.#at;
      const code = text.charCodeAt(start);
      if (code === 32 || code === 9 || code === CARRIAGE_RETURN) {
        this.#at++;
        continue;
      }
      if (code === NEWLINE) {
        if (this.#endsStatement) {
          return this.#semicolon(start);
        }
        this.#at++;
        continue;
      }
      this.code = code;
      if (isLetter(code)) {
        return this.#word(start);
      }
      if (isDigit(code)) {
        return this.#number(start);
      }
      if (code === DOUBLE_QUOTE) {
        return this.#quoted(start, DOUBLE_QUOTE, 'string');
      }
      if (code === BACK_QUOTE) {
        return this.#rawString(start);
      }
      if (code === SINGLE_QUOTE) {
        return this.#quoted(start, SINGLE_QUOTE, 'rune');
      }
      if (code === CODE.slash) {
        const second = start + 1 < limit ? text.charCodeAt(start + 1) : 0;
        if (second === CODE.slash) {
          return this.#lineComment(start);
        }
        if (second === CODE.asterisk) {
          return this.#generalComment(start);
        }
      }
      if (code === SEMICOLON) {
        this.#endsStatement = false;
        return this.#token(';', start, start + 1);
      }
      if (code === CODE.dot && start + 1 < limit && isDigit(text.charCodeAt(start + 1))) {
        return this.#number(start);
      }
      if (code < 128) {
        return IS_OPERATOR[code] === 1 ? this.#operator(start, code) : this.#token('illegal', start, start + 1);
      }
      const point = text.codePointAt(start) ?? code;
      const end = start + (point > 0xffff ? 2 : 1);
      return LETTER.test(String.fromCodePoint(point)) ? this.#word(start) : this.#token('illegal', start, end);
    }
  }

  /** Moves to the next token that is no comment. */
  nextCode(): TokenKind {
    while (this.next() === 'comment') {
      // passed over
    }
    return this.kind;
  }

  /**
   * From an opening bracket to the one that closes it, without looking at the tokens between; where there is none, to the
   * end of the text.
   * @returns the first fault on the way; undefined if there is none.
   */
  skipGroup(): { readonly offset: number; readonly message: string } | undefined {
    const { text } = this;
    const limit = this.#limit;
    const open = [this.start];
    let fault: { offset: number; message: string } | undefined;
    for (let at = this.end; at < limit; at++) {
      const code = text.charCodeAt(at);
      const role = code < 128 ? ROLE[code] : ROLE_OF_OTHERS;
      if (role === 0) {
        continue;
      }
      if (role === OPENS) {
        open.push(at);
      } else if (role === CLOSES) {
        const opened = open.pop() ?? at;
        if (closerOf(text.charCodeAt(opened)) !== code) {
          fault ??= { offset: at, message: `"${text.charAt(at)}" does not close "${text.charAt(opened)}"` };
        }
        if (open.length === 0) {
          this.code = code;
          this.isUnclosed = false;
          this.#endsStatement = true;
          this.#token('operator', at, at + 1);
          return fault;
        }
      } else {
        // A string, a comment or what Go has no use for: the token says where it ends.
        this.#at = at;
        this.#endsStatement = false;
        const kind = this.next();
        if (this.isUnclosed || kind === 'illegal') {
          fault ??= { offset: at, message: this.fault ?? '' };
        }
        at = this.end - 1;
      }
    }
    this.#endsStatement = false;
    this.#token('end', limit, limit);
    return fault ?? { offset: open.at(-1) ?? limit, message: 'a bracket is not closed' };
  }

  /** What is wrong with the token; undefined if nothing is. */
  get fault(): string | undefined {
    if (this.isUnclosed) {
      return this.kind === 'comment' ? 'a comment is not closed' : 'a string is not closed';
    }
    return this.kind === 'illegal' ? `unexpected ${JSON.stringify(this.lexeme)}` : undefined;
  }

  #token(kind: TokenKind, start: number, end: number): TokenKind {
    this.kind = kind;
    this.start = start;
    this.end = end;
    this.#at = end;
    return kind;
  }

  #semicolon(at: number): TokenKind {
    this.#endsStatement = false;
    this.#owesSemicolon = false;
    this.isAutomatic = true;
    this.code = SEMICOLON;
    return this.#token(';', at, at);
  }

  #word(start: number): TokenKind {
    const { text } = this;
    const limit = this.#limit;
    let at = start;
    let isPlain = true;
    while (at < limit) {
      const code = text.charCodeAt(at);
      if (isLetter(code) || isDigit(code)) {
        at++;
      } else if (code >= 128) {
        const point = text.codePointAt(at) ?? code;
        if (!LETTER_OR_DIGIT.test(String.fromCodePoint(point))) {
          break;
        }
        isPlain = false;
        at += point > 0xffff ? 2 : 1;
      } else {
        break;
      }
    }
    const keyword = isPlain ? keywordAt(text, start, at - start) : undefined;
    this.#endsStatement = keyword === undefined || ENDING_KEYWORDS.has(keyword);
    return this.#token(keyword === undefined ? 'name' : 'keyword', start, at);
  }

  #number(start: number): TokenKind {
    const { text } = this;
    let at = start;
    const code = (offset: number) => (offset < this.#limit ? text.charCodeAt(offset) : 0);
    const lower = (offset: number) => code(offset) | 32;
    const isHex = code(at) === 48 && lower(at + 1) === 120;
    const digits = () => {
      while (isDigit(code(at)) || code(at) === UNDERSCORE || (isHex && lower(at) >= 97 && lower(at) <= 102)) {
        at++;
      }
    };
    if (isHex || (code(at) === 48 && (lower(at + 1) === 111 || lower(at + 1) === 98))) {
      at += 2;
    }
    digits();
    if (code(at) === CODE.dot) {
      at++;
      digits();
    }
    if (lower(at) === 101 || lower(at) === 112) {
      at++;
      if (code(at) === 43 || code(at) === 45) {
        at++;
      }
      while (isDigit(code(at)) || code(at) === UNDERSCORE) {
        at++;
      }
    }
    if (code(at) === 105) {
      at++;
    }
    this.#endsStatement = true;
    return this.#token('number', start, at);
  }

  #quoted(start: number, quote: number, kind: 'string' | 'rune'): TokenKind {
    const { text } = this;
    const limit = this.#limit;
    let at = start + 1;
    this.#endsStatement = true;
    for (; at < limit; at++) {
      const code = text.charCodeAt(at);
      if (code === quote) {
        return this.#token(kind, start, at + 1);
      }
      if (code === NEWLINE) {
        break;
      }
      // An escaped line end does not continue the string.
      if (code === BACKSLASH && at + 1 < limit && text.charCodeAt(at + 1) !== NEWLINE) {
        at++;
      }
    }
    this.isUnclosed = true;
    return this.#token(kind, start, Math.min(at, limit));
  }

  #rawString(start: number): TokenKind {
    const close = this.text.indexOf('`', start + 1);
    this.#endsStatement = true;
    this.isUnclosed = close < 0 || close >= this.#limit;
    return this.#token('string', start, this.isUnclosed ? this.#limit : close + 1);
  }

  #lineComment(start: number): TokenKind {
    const newline = this.text.indexOf('\n', start);
    let end = newline < 0 || newline > this.#limit ? this.#limit : newline;
    if (this.text.charCodeAt(end - 1) === CARRIAGE_RETURN) {
      end--;
    }
    return this.#token('comment', start, end);
  }

  #generalComment(start: number): TokenKind {
    const close = this.text.indexOf('*/', start + 2);
    this.isUnclosed = close < 0 || close + 2 > this.#limit;
    const end = this.isUnclosed ? this.#limit : close + 2;
    if (this.#endsStatement) {
      this.#owesSemicolon = newlinesIn(this.text, start, end) > 0;
    }
    return this.#token('comment', start, end);
  }

  #operator(start: number, code: number): TokenKind {
    const { text } = this;
    let end = start + 1;
    const second = end < this.#limit ? text.charCodeAt(end) : 0;
    if (second < 128 && IS_OPERATOR_TAIL[second] === 1) {
      const longest = text.slice(start, Math.min(start + 3, this.#limit));
      if (LONG_OPERATORS.has(longest)) {
        end = start + longest.length;
      } else if (LONG_OPERATORS.has(longest.slice(0, 2))) {
        end = start + 2;
      }
    }
    const isClosing = code === CODE.closeParenthesis || code === CODE.closeBracket || code === CODE.closeBrace;
    const isStep = (code === 43 || code === 45) && second === code;
    this.#endsStatement = isClosing || isStep;
    return this.#token('operator', start, end);
  }
}

/** How many lines end between two offsets; two stands for more. */
export function newlinesIn(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end && count < 2; at++) {
    if (text.charCodeAt(at) === NEWLINE) {
      count++;
    }
  }
  return count;
}

const LETTER = /^\p{L}$/u;
const LETTER_OR_DIGIT = /^[\p{L}\p{Nd}]$/u;

function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === UNDERSCORE;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Whether a text is a name that Go could declare: a letter, then letters and digits, and no keyword. */
export function isName(text: string): boolean {
  const scanner = new Scanner(text);
  return scanner.next() === 'name' && scanner.end === text.length && scanner.start === 0;
}
