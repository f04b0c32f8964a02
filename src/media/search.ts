/**
 * Cuts a search text into terms as Django REST framework's SearchFilter does: at spaces and commas,
 * a "quoted phrase" is one term. NULs are ignored; terms that are empty or repeat another say
 * nothing and are left out.
 */
export function splitSearch(text: string): string[] {
  const terms = splitBits(text.replaceAll('\0', '')).flatMap((bit) => {
    const term = trimCommas(bit)
    const quote = term[0]
    if ((quote === '"' || quote === "'") && term.at(-1) === quote) return [unquote(term, quote)]
    return term.split(',').map((part) => part.trim())
  })
  return [...new Set(terms)].filter((term) => term !== '')
}

function trimCommas(bit: string): string {
  let [start, end] = [0, bit.length]
  while (bit[start] === ',') start += 1
  while (end > start && bit[end - 1] === ',') end -= 1
  return bit.slice(start, end)
}

function unquote(term: string, quote: string): string {
  return term.slice(1, -1).replaceAll(`\\${quote}`, quote).replaceAll('\\\\', '\\')
}

/**
 * Splits at spaces that are not inside quotes, as Django's `smart_split` does. A quote that is
 * never closed is an ordinary character, and so is every one of its kind after it: that they are
 * not looked for again keeps the time linear.
 */
function splitBits(text: string): string[] {
  const bits: string[] = []
  const unclosed = new Set<string | undefined>()

  /** The end of the quoted phrase that begins here; -1 where none does. */
  const phraseEnd = (start: number): number => {
    const quote = text[start]
    if ((quote !== '"' && quote !== "'") || unclosed.has(quote)) return -1
    for (let at = start + 1; at < text.length; at += 1) {
      if (text[at] === quote) return at + 1
      if (text[at] === '\\') at += 1
    }
    unclosed.add(quote)
    return -1
  }

  for (let at = skip(/\s*/y, text, 0); at < text.length; at = skip(/\s*/y, text, at)) {
    const start = at
    let phrase = phraseEnd(skip(/[^\s'"]*/y, text, at))
    if (phrase === -1) at = skip(/\S*/y, text, at)
    for (; phrase !== -1; phrase = phraseEnd(at)) at = skip(/[^\s'"]*/y, text, phrase)
    bits.push(text.slice(start, at))
  }
  return bits
}

/** Where a sticky pattern that can be empty stops. */
function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  pattern.test(text)
  return Math.max(from, pattern.lastIndex)
}
