/**
 * Bundles the scripts and style sheets that index.html names into page.js and page.css, and what is loaded later into admin.js; each also
 * compressed.
 * Usage: node bundle.mjs CLIENT OUT MODULES (the client's folder, an empty folder, a node_modules folder).
 * All tools are pinned in CLIENT/package.json, the compressors too: the output depends on nothing but the sources.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [client, out, modules] = process.argv.slice(2).map((path) => resolve(path));
const load = createRequire(join(modules, "bundle.cjs"));
const { build } = load("esbuild");
const { gzipAsync } = load("@gfx/zopfli");
const { compress } = load("brotli-wasm");
const { minify } = load("terser");

const index = readFileSync(join(client, "index.html"), "utf8");
const styles = [...index.matchAll(/<link rel="stylesheet" href="\/([^"]+)">/g)].map(([, path]) => path);
const scripts = [...index.matchAll(/<script type="module" src="\/([^"]+)">/g)].map(([, path]) => path);
/** More gain next to nothing. */
const ZOPFLI_ROUNDS = 15;
const common = { bundle: true, minify: true, charset: "utf8", legalComments: "none", write: false, absWorkingDir: client, logLevel: "error" };

/** @param {string} kind @param {string[]} paths @param {(path: string) => string} include @param {string} [name] */
async function bundle(kind, paths, include, name = "page") {
  const stdin = { contents: paths.map(include).join("\n"), resolveDir: client, loader: kind };
  const { outputFiles } = await build({ ...common, format: "esm", target: "es2022", stdin });
  const contents = kind === "js" ? await shortened(outputFiles[0].text) : outputFiles[0].contents;
  const file = join(out, `${name}.${kind}`);
  writeFileSync(file, contents);
  writeFileSync(`${file}.gz`, await gzipAsync(contents, { numiterations: ZOPFLI_ROUNDS }));
  writeFileSync(`${file}.br`, compress(contents, { quality: 11 }));
}

/** What esbuild's minifier leaves: 4 % less over the wire. @param {string} script */
async function shortened(script) {
  const { code } = await minify(script, { module: true, ecma: 2020, compress: { passes: 4, keep_fargs: false } });
  return Buffer.from(code);
}

/** Modules of a kind beside each other compress better, above all the sentences: gzip looks back no further than 32 kB. */
const KINDS = ["words", "rtc", "server", "state", "page", "views"];
const sorted = KINDS.flatMap((kind) => readdirSync(join(client, "js", kind)).sort().map((name) => `js/${kind}/${name}`));

/** Loaded later, by views/server.js: built as admin.js, and imports nothing of the page. */
const LATER = ["js/words/admin.js", "js/views/admin.js"];

await bundle("js", [...sorted.filter((path) => path.endsWith(".js") && !LATER.includes(path)), ...scripts], (path) => `import "./${path}";`);
await bundle("js", LATER.slice(-1), (path) => `export * from "./${path}";`, "admin");
await bundle("css", styles, (path) => `@import "./${path}";`);
