// Bundle src/ and the vendored Markdown lexer into widget.js: `npm install && npm run build`.
// The result is committed, so serving it does not need Node. Its first line has a hash of the
// sources, which a test compares, so a forgotten build is noticed without Node too.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { build, transform } from 'esbuild';
import { minify } from 'terser';

const here = new URL('.', import.meta.url).pathname;
const sources = [
  ...readdirSync(`${here}src`).map((name) => `src/${name}`),
  'vendor/marked/marked.esm.js',
].sort();
const hash = createHash('sha256');
for (const name of sources) hash.update(readFileSync(here + name));

const css = {
  name: 'css-as-text',
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const minified = await transform(readFileSync(path, 'utf8'), {
        loader: 'css',
        minify: true,
        target: 'es2022',
      });
      return { contents: minified.code.trim(), loader: 'text' };
    });
  },
};

// Write the names of the strings once instead of once per language.
const packedStrings = {
  name: 'packed-strings',
  setup(build) {
    build.onLoad({ filter: /languages\.js$/ }, async ({ path }) => {
      const { LANGUAGES } = await import(path);
      const rows = Object.entries(LANGUAGES).map(([name, words]) => [name, Object.values(words).join('|')]);
      const keys = Object.keys(LANGUAGES.en).join('|');
      const contents =
        `const keys=${JSON.stringify(keys)}.split('|');` +
        `const row=(words)=>Object.fromEntries(words.split('|').map((word,i)=>[keys[i],word]));` +
        `export const LANGUAGES={${rows.map(([name, words]) => `get ${name}(){return row(${JSON.stringify(words)})}`)}};`;
      return { contents, loader: 'js' };
    });
  },
};

// Only marked's lexer is used. The rest of its bundle, a quarter of its size, is kept alive by
// side effects, so everything after the lexer is cut off. Two options that are never set become
// constants, so that the code that depends on them is dropped as well.
const lexerOnly = {
  name: 'lexer-only',
  setup(build) {
    build.onLoad({ filter: /marked\.esm\.js$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const end = source.search(/var (\w+)=new \w+;function \w+\(\w+,\w+\)\{return \1\.parse\(/);
      const name = /(\w+) as Lexer\b/.exec(source)?.[1];
      if (end < 0 || !name) throw new Error('marked has changed: look at lexerOnly again');
      const lexer = source
        .slice(0, end)
        .replaceAll('this.options.pedantic', 'false')
        .replaceAll('this.options.extensions', 'null');
      return { contents: `${lexer}export{${name} as Lexer};`, loader: 'js' };
    });
  },
};

const bundle = await build({
  entryPoints: [`${here}src/index.js`],
  write: false,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  plugins: [css, packedStrings, lexerOnly],
});
const { code } = await minify(bundle.outputFiles[0].text, {
  module: true,
  ecma: 2020,
  compress: { passes: 3, unsafe_arrows: true },
});
const banner =
  `/* ask-the-book ${hash.digest('hex').slice(0, 16)} */\n` +
  '/* contains marked 18.2.1, © 2018-2026 MarkedJS, © 2011-2018 Christopher Jeffrey, MIT, ' +
  'https://github.com/markedjs/marked */\n';
writeFileSync(process.argv[2] ?? `${here}widget.js`, `${banner}${code}\n`);
