/**
 * The page's content policy admits no style sheets and style attributes that a
 * script writes as text, and xterm writes both. While a terminal is open, what it
 * makes goes the ways that the policy leaves to scripts: constructed style sheets
 * and the style object of an element.
 */
export function keepToContentPolicy(doc: Document = document): () => void {
  // An own property hides the method of the prototype and is taken off again.
  const create = doc.createElement.bind(doc);
  const sheets: CSSStyleSheet[] = [];
  doc.createElement = ((tag: string, options?: ElementCreationOptions) => {
    if (tag === 'style') return sheetElement(doc, create, sheets);
    const element = create(tag, options);
    if (tag === 'span') styleByObject(element);
    return element;
  }) as typeof doc.createElement;
  return () => {
    delete (doc as Partial<Document>).createElement;
    doc.adoptedStyleSheets = doc.adoptedStyleSheets.filter((s) => !sheets.includes(s));
  };
}

/** An element without a look whose text is a style sheet. */
function sheetElement(doc: Document, create: (tag: string) => HTMLElement, sheets: CSSStyleSheet[]): HTMLElement {
  const element = create('span');
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  sheets.push(sheet);
  doc.adoptedStyleSheets = [...doc.adoptedStyleSheets, sheet];
  let text = '';
  Object.defineProperty(element, 'textContent', {
    get: () => text,
    set: (css: string) => {
      text = css;
      sheet.replaceSync(css);
    },
  });
  element.remove = () => {
    doc.adoptedStyleSheets = doc.adoptedStyleSheets.filter((s) => s !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

function styleByObject(element: HTMLElement): void {
  element.setAttribute = (name: string, value: string) => {
    if (name === 'style') element.style.cssText = value;
    else Element.prototype.setAttribute.call(element, name, value);
  };
}
