/** Attributes of a root element that are read; what stands behind them is not looked at. */
const attributesMax = 256

/** The beginning of an XML or HTML document. Names are as written, prefix included. */
export interface Markup {
  /** Name after `<!DOCTYPE`, or null. */
  doctype: string | null
  /** The first element, or null when the text ends before it. */
  root: { name: string; attributes: Map<string, string> } | null
}

/** Place behind `end`, searched from `from`; the end of the text where it does not occur. */
const after = (text: string, end: string, from: number): number => {
  const found = text.indexOf(end, from)
  return found < 0 ? text.length : found + end.length
}

/**
 * Place behind a DOCTYPE with its internal subset. Nothing is declared and nothing expanded: an
 * entity bomb is so many characters to walk over.
 */
const skipDoctype = (text: string, from: number): number => {
  let inSubset = false
  let at = from
  while (at < text.length) {
    const char = text[at]
    if (char === '"' || char === "'") at = after(text, char, at + 1)
    else if (text.startsWith('<!--', at)) at = after(text, '-->', at + 4)
    else if (char === '>' && !inSubset) return at + 1
    else {
      if (char === '[') inSubset = true
      if (char === ']') inSubset = false
      at++
    }
  }
  return at
}

const attributePattern = /\s+([^\s=/>"'<]{1,256})\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y

const readRoot = (text: string, at: number): Markup['root'] => {
  const name = /<([A-Za-z_][\w.:-]{0,127})(?=[\s/>])/y
  name.lastIndex = at
  const start = name.exec(text)
  if (!start?.[1]) return null
  const attributes = new Map<string, string>()
  attributePattern.lastIndex = name.lastIndex
  for (let count = 0; count < attributesMax; count++) {
    const found = attributePattern.exec(text)
    if (!found?.[1]) break
    attributes.set(found[1], found[2] ?? found[3] ?? '')
  }
  return { name: start[1], attributes }
}

/** Reads the start of a document, or null when the text does not begin with a tag. */
export const readMarkup = (text: string): Markup | null => {
  let doctype: string | null = null
  let at = 0
  while (at < text.length) {
    if (/\s|\ufeff/.test(text[at] ?? '')) at++
    else if (text.startsWith('<?', at)) at = after(text, '?>', at + 2)
    else if (text.startsWith('<!--', at)) at = after(text, '-->', at + 4)
    else if (/^<!doctype\s/i.test(text.slice(at, at + 10))) {
      doctype = /^\s*([\w.:-]{1,128})/.exec(text.slice(at + 9, at + 256))?.[1] ?? null
      at = skipDoctype(text, at + 9)
    } else if (text[at] === '<') {
      const root = readRoot(text, at)
      return root || doctype ? { doctype, root } : null
    } else return null
  }
  // The text ended (or its prefix was cut) before the first element.
  return doctype ? { doctype, root: null } : null
}

/** A name without its namespace prefix. */
export const localName = (name: string): string => name.slice(name.indexOf(':') + 1)
