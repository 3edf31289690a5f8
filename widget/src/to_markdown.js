// Write the page of a book as Markdown: headings, text, lists, code, tables, links.

const SKIPPED =
  'script, style, noscript, template, nav, button, input, select, textarea, svg, iframe, form, ask-the-book, ' +
  'dialog, [hidden], [aria-hidden=true], .headerlink, .hash-link, .header-anchor, [data-nosnippet]';
const BLOCKS = /^(ADDRESS|ARTICLE|ASIDE|DETAILS|DIV|DL|DD|DT|FIGCAPTION|FIGURE|FOOTER|HEADER|MAIN|P|SECTION|SUMMARY)$/;

/** Return the content of the page, with its title and address. */
export function toMarkdown(page, url) {
  const content = ['main article', 'article', 'main', '[role=main]'].map((found) => page.querySelector(found)).find(Boolean);
  const body = blocks(content ?? page.body);
  const title = /^# /m.test(body) ? '' : `# ${page.title}\n\n`;
  return `${title}${body}\n\n${url}\n`;
}

const tidy = (text) => text.replace(/[ \t]*\n[ \t]*\n\s*\n/g, '\n\n').replace(/^\s+|\s+$/g, '');
const indent = (text, first) => first + text.replace(/\n(?=.)/g, `\n${' '.repeat(first.length)}`);

function blocks(parent) {
  return tidy([...parent.childNodes].map(block).join(''));
}

function fence(text) {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  return '`'.repeat(longest + 1);
}

function block(node) {
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(SKIPPED)) return inline(node);
  const { tagName } = node;
  const heading = /^H([1-6])$/.exec(tagName);
  if (heading) return `\n\n${'#'.repeat(heading[1])} ${words(node)}\n\n`;
  if (tagName === 'PRE') {
    const text = node.textContent.replace(/\n$/, '');
    const language = /language-([\w+#-]+)/.exec(`${node.className} ${node.firstElementChild?.className} ${node.parentElement.className}`);
    return `\n\n${fence(text)}${language?.[1] ?? ''}\n${text}\n${fence(text)}\n\n`;
  }
  if (tagName === 'UL' || tagName === 'OL') {
    const items = [...node.children].filter(({ tagName: item }) => item === 'LI');
    const first = (index) => (tagName === 'UL' ? '- ' : `${(node.start || 1) + index}. `);
    return `\n\n${items.map((item, index) => indent(blocks(item), first(index))).join('\n')}\n\n`;
  }
  if (tagName === 'BLOCKQUOTE') return `\n\n${blocks(node).replace(/^/gm, '> ')}\n\n`;
  if (tagName === 'TABLE') return `\n\n${table(node)}\n\n`;
  if (tagName === 'HR') return '\n\n---\n\n';
  if (BLOCKS.test(tagName)) return `\n\n${blocks(node)}\n\n`;
  return inline(node);
}

function table(node) {
  const rows = [...node.rows].map((row) => [...row.cells].map((cell) => words(cell).replace(/\|/g, '\\|')));
  if (!rows.length) return '';
  const [head, ...rest] = rows;
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rest.map(line)].join('\n');
}

const words = (node) => [...node.childNodes].map(inline).join('').replace(/\s+/g, ' ').trim();

function inline(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data.replace(/[\u200b¶]/g, '').replace(/\s+/g, ' ');
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(SKIPPED)) return '';
  const { tagName } = node;
  if (tagName === 'BR') return '\n';
  if (tagName === 'CODE' || tagName === 'KBD') {
    const text = node.textContent;
    return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
  }
  if (tagName === 'IMG') return node.alt;
  const inner = [...node.childNodes].map(block).join('');
  const said = inner.trim();
  if (!said) return inner;
  if (tagName === 'A' && /^[#¶§🔗]+$/u.test(said)) return ''; // a heading's link to itself
  const around = (sign) => inner.replace(said, () => `${sign}${said}${sign}`);
  if (tagName === 'STRONG' || tagName === 'B') return around('**');
  if (tagName === 'EM' || tagName === 'I') return around('*');
  if (tagName === 'A' && /^https?:/.test(node.href)) return `[${said}](${node.href})`;
  return inner;
}
