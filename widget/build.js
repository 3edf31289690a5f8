// Bundle src/ and the vendored Markdown lexer: `npm install && npm run build`. widget.js is the
// widget; what few readers need is in files of its own, loaded on use. The results are committed,
// so serving them does not need Node. Their first line has a hash of the sources, which a test
// compares, so a forgotten build is noticed without Node too.
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
      const keys = Object.keys(LANGUAGES.de).join('|');
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
      // Rules of the dialects that are never used; terser cannot tell that building them is pure.
      const unused = [
        [/nt=\{\.\.\.fe,html:.*?\.getRegex\(\)\},(?=rt=)/s, ''],
        [/dt=\/\^.*?,gt=g\(dt.*?\.getRegex\(\),/s, ''],
        [/mt="\^.*?",xt=g\(mt.*?\.getRegex\(\),/s, ''],
        [/Rt="\^.*?",Tt=g\(Rt.*?\.getRegex\(\),/s, ''],
        [/Dt=\{\.\.\.me.*?\},(?=pe=)/s, ''],
        [/qt=\{\.\.\.pe.*?\},(?=ee=)/s, ''],
        [/ee=\{.*?\},F=\{.*?\};/s, 'ee={gfm:tt},F={gfm:pe};'],
        [/Ke=g\(.*?\.getRegex\(\),(?=Xe=)/s, ''],
        [/,def:Ke/, ''],
        [/It=g\(\/.*?(?=ye=)/s, ''],
        [/ye=.*?(?=Se=)/s, ''],
        [/nolink:At,/, ''],
        // As in the service, blocks of HTML are text. No other block ends before one either.
        [/he="address.*?(?=J=)/s, ''],
        [/J=g\(.*?\.getRegex\(\)/s, 'J="(?!)"'],
        [/Ve=g\(.*?\.getRegex\(\),(?=Ce=)/s, ''],
        [/html:Ve,/, ''],
        [/html\(e\)\{.*?\}(?=def\(e\))/s, ''],
        [/if\(a=this\.tokenizer\.html\(e\)\)\{.*?continue\}/s, ''],
        [/htmlBeginRegex:.*?(?=blockquoteBeginRegex:)/s, 'htmlBeginRegex:()=>/(?!)/,'],
        [/reflink:It,reflinkSearch:zt,/, ''],
        [/def\(e\)\{.*?\}(?=table\(e\))/s, ''],
        [/reflink\(e,t\)\{.*?\}(?=emStrong\()/s, ''],
        [/if\(a=this\.tokenizer\.def\(e\)\)\{.*?continue\}(?=if\(a=this\.tokenizer\.table)/s, ''],
        [/if\(i=this\.tokenizer\.reflink\(.*?continue\}/s, ''],
        [/linkInText\(e\)\{.*?\}(?=inlineTokens\()/s, ''],
        [/if\(this\.tokens\.links&&e\.includes\("\["\)\)\{.*?t=t\.replace\(n,r\)\}/s, ''],
        [/static get rules\(\).*?(?=lex\(e\)\{)/s, ''],
        [/n\?t\[0\]:De\(t\[0\]\)/, 't[0]'],
        [/numericCharacterReference:.*?(?=caret:)/s, ''],
        [/pedanticHrefTitle:.*?(?=unicodeAlphaNumeric:)/s, ''],
        [/pedanticHeadingBeginRegex:.*?(?=htmlBeginRegex:)/s, ''],
      ];
      const lexer = unused
        .reduce((text, [pattern, kept]) => {
          if (!pattern.test(text)) throw new Error(`marked has changed: ${pattern}`);
          return text.replace(pattern, kept);
        }, source.slice(0, end))
        .replaceAll('this.options.pedantic', 'false')
        .replaceAll('this.options.extensions', 'null')
        .replaceAll('this.options.gfm', 'true')
        .replaceAll('this.options.breaks', 'false');
      return { contents: `${lexer}export{${name} as Lexer};`, loader: 'js' };
    });
  },
};

const head = `/* ask-the-book ${hash.digest('hex').slice(0, 16)} */\n`;
const licence =
  '/* contains marked 18.2.1, © 2018-2026 MarkedJS, © 2011-2018 Christopher Jeffrey, MIT, ' +
  'https://github.com/markedjs/marked */\n';
const files = {
  'widget.js': ['index.js', licence],
  'widget-languages.js': ['languages.js', ''],
  'widget-assistant.js': ['assistant.js', ''],
};
for (const [file, [entry, notice]] of Object.entries(files)) {
  const bundle = await build({
    entryPoints: [`${here}src/${entry}`],
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
  writeFileSync(`${process.argv[2] ?? here}/${file}`, `${head}${notice}${code}\n`);
}
