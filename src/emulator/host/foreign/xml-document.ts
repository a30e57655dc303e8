/** XML that came from somewhere else, as a tree of bounded size: no entities of its own, no depth without end. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { ImageError, printable } from '../../storage/image-error.ts';

const NESTING_MAXIMUM = 64;

export class XmlElement {
  /** Without its namespace's prefix. */
  readonly name: string;
  readonly children: readonly XmlElement[];
  readonly text: string;
  readonly #attributes: Readonly<Record<string, string>>;

  constructor(name: string, attributes: Readonly<Record<string, string>>, children: readonly XmlElement[], text: string) {
    this.name = name;
    this.#attributes = attributes;
    this.children = children;
    this.text = text;
  }

  attribute(name: string): string | undefined {
    return Object.hasOwn(this.#attributes, name) ? this.#attributes[name] : undefined;
  }

  /** The first child of that name. */
  child(name: string): XmlElement | undefined {
    return this.children.find((child) => child.name === name);
  }

  all(name: string): XmlElement[] {
    return this.children.filter((child) => child.name === name);
  }

  /** Down a path of names, the first child of each. */
  at(...names: readonly string[]): XmlElement | undefined {
    return names.reduce<XmlElement | undefined>((element, name) => element?.child(name), this);
  }

  textOf(name: string): string | undefined {
    return this.child(name)?.text;
  }
}

/** The root element. Throws `ImageError`. */
export function parseXml(text: string, what: string): XmlElement {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) throw damagedText(what, 'declares entities or a document type, which such a file never does');
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw damagedText(what, `is no well-formed XML (line ${valid.err.line}: ${printable(valid.err.msg)})`);
  const parser = new XMLParser({
    preserveOrder: true, ignoreAttributes: false, attributeNamePrefix: '', removeNSPrefix: true, parseTagValue: false, parseAttributeValue: false,
    ignoreDeclaration: true, ignorePiTags: true, processEntities: true, htmlEntities: false, maxNestedTags: NESTING_MAXIMUM,
  });
  let nodes: unknown;
  try {
    nodes = parser.parse(text);
  } catch (error) {
    throw damagedText(what, `can't be read as XML (${printable(error instanceof Error ? error.message : String(error))})`);
  }
  const [root] = elementsOf(nodes);
  if (root === undefined) throw damagedText(what, 'holds no XML element');
  return root;
}

/** Of the parser's ordered form: `[{ NAME: [children], ':@': { attribute: value } }, { '#text': TEXT }]`. */
function elementsOf(nodes: unknown): XmlElement[] {
  if (!Array.isArray(nodes)) return [];
  return nodes.flatMap((node: Record<string, unknown>) => {
    const name = Object.keys(node).find((key) => key !== ':@' && key !== '#text');
    if (name === undefined) return [];
    const inside = node[name];
    const attributes = Object.fromEntries(Object.entries((node[':@'] ?? {}) as Record<string, unknown>).map(([key, value]) => [key, withCharacters(String(value))]));
    const text = Array.isArray(inside) ? inside.map((child: Record<string, unknown>) => (typeof child['#text'] === 'string' ? child['#text'] : '')).join('') : '';
    return [new XmlElement(name, attributes, elementsOf(inside), withCharacters(text))];
  });
}

/** The parser leaves numeric character references as they are. */
function withCharacters(text: string): string {
  return text.replace(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (whole, hex: string | undefined, decimal: string | undefined) => {
    const code = hex === undefined ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : whole;
  });
}

export function damagedText(what: string, how: string): ImageError {
  return new ImageError('foreign.damaged', `${what} ${how}`, 'get another copy of it, or have the program that made it write it anew');
}
