// SPDX-License-Identifier: GPL-3.0-or-later
// Bundles the dashboard: node build.mjs DIRECTORY writes index.html, app.js, app.css and favicon.svg there, each also gzipped.
// The page asks for its files with ?v=HASH of what is in them, so that browsers may keep them for ever.
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url)), out = process.argv[2];
const RAW_MAX = 300_000, GZIP_MAX = 100_000;

await build({
    entryPoints: [{ in: join(here, 'src/main.tsx'), out: 'app' }], outdir: out, bundle: true, minify: true, format: 'iife', target: 'es2022',
    jsx: 'automatic', jsxImportSource: 'preact', charset: 'utf8', legalComments: 'none', logLevel: 'warning',
});

const sizes = { raw: 0, gzip: 0 };
function hash(name) {
    const bytes = readFileSync(join(out, name)), packed = gzipSync(bytes, { level: 9 });
    sizes.raw += bytes.length;
    sizes.gzip += packed.length;
    return createHash('sha256').update(bytes).digest('hex').slice(0, 12);
}
// Both stand inside a report's page as they are (src/cli/report.c).
for (const [name, end] of [['app.js', /<\/script|<!--/i], ['app.css', /<\/style/i]])
    if (end.test(readFileSync(join(out, name), 'utf8'))) throw new Error(`${name} holds what would end its element in a report`);
let page = readFileSync(join(here, 'index.html'), 'utf8');
for (const name of ['app.js', 'app.css']) page = page.replace(`assets/${name}`, `assets/${name}?v=${hash(name)}`);
writeFileSync(join(out, 'index.html'), page);
copyFileSync(join(here, 'favicon.svg'), join(out, 'favicon.svg'));
for (const name of ['index.html', 'app.js', 'app.css', 'favicon.svg']) writeFileSync(join(out, `${name}.gz`), gzipSync(readFileSync(join(out, name)), { level: 9 }));
if (sizes.raw >= RAW_MAX || sizes.gzip >= GZIP_MAX) {
    console.error(`the dashboard has grown to ${sizes.raw} bytes of script and style, ${sizes.gzip} gzipped: at most ${RAW_MAX} and ${GZIP_MAX} are wanted`);
    process.exit(1);
}
