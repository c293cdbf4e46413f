/** The scripts of the web page, the first one first: what `/-/ui/` serves of `ui/`, and nothing else. */
export const SCRIPTS = [
  'main.js',
  'api.js',
  'app.js',
  'dialog.js',
  'elements.js',
  'history-page.js',
  'login-page.js',
  'package-changes.js',
  'package-page.js',
  'packages-page.js',
  'people.js',
  'pieces.js',
  'place.js',
  'repositories-page.js',
  'session.js',
  'token-form.js',
  'tokens-page.js',
  'version-changes.js',
  'version-table.js',
] as const;

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%23287' d='M1 5l7-4 7 4v8l-7 3-7-3z'/%3E%3C/svg%3E";

/** The page without its contents. All addresses are relative: it works behind any prefix. */
export function shell(): string {
  const [first, ...others] = SCRIPTS;
  const ahead = others.map((name) => `<link rel="modulepreload" href="${name}">`).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Entrepot</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="style.css">
<script type="module" src="${first}"></script>
${ahead}
</head>
<body>
<header>
<a class="name" href="#/">Entrepot</a>
<nav id="menu" aria-label="Main"></nav>
</header>
<p id="status" role="status"></p>
<main id="main" aria-busy="true"><noscript>This page needs JavaScript. The same is told by <code>/-/api/v1/</code> and by the command line.</noscript></main>
</body>
</html>
`;
}

export const style = `:root { color-scheme: light dark; --ink: #1a1d21; --quiet: #59616b; --paper: #fff; --card: #f5f7f8; --line: #d3d9de; --link: #0b5d8a; --bad: #a4201b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --quiet: #a2abb5; --paper: #15181b; --card: #1e2327; --line: #39424a; --link: #79c0ea; --bad: #ff9a92; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 0 1rem 3rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; justify-content: space-between; padding: .75rem 0; border-bottom: 1px solid var(--line); }
header nav, .line { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }
.name { font-weight: 700; color: inherit; text-decoration: none; }
a { color: var(--link); }
a[aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 .5rem; }
h1:focus { outline: none; }
h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
code, pre { font: .9em/1.45 ui-monospace, monospace; }
button, input, select, textarea { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: .35rem; padding: .35rem .7rem; max-width: 100%; }
button { cursor: pointer; background: var(--card); }
button:disabled { cursor: default; opacity: .55; }
button.small { font-size: .85rem; padding: .1rem .5rem; }
button.danger { border-color: var(--bad); color: var(--bad); }
label { display: block; }
.line label { display: inline; }
p > input:not([type=checkbox]), p > textarea, p > select { width: 100%; max-width: 36rem; display: block; }
.quiet { color: var(--quiet); font-weight: 400; }
.problem { color: var(--bad); font-weight: 600; }
.problem:empty, #status:empty { display: none; }
#status { margin: .75rem 0 0; padding: .5rem .75rem; background: var(--card); border-left: 4px solid var(--link); }
.card, dialog { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; }
.card h2 { margin-top: .25rem; }
.cards, .names { list-style: none; padding: 0; display: grid; gap: .75rem; }
.names { gap: 0; }
.names li { border-bottom: 1px solid var(--line); }
.names a { display: block; padding: .35rem 0; }
.command { display: flex; gap: .5rem; align-items: start; margin: .5rem 0; }
.command code { flex: 1; padding: .35rem .5rem; background: var(--paper); border: 1px solid var(--line); border-radius: .35rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; }
dt { color: var(--quiet); }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--quiet); font-weight: 400; }
.tag { display: inline-block; margin: 0 .35rem .15rem 0; padding: 0 .45rem; border: 1px solid var(--line); border-radius: 1rem; font-size: .85rem; }
.mark { color: var(--bad); }
.digest { display: flex; flex-wrap: wrap; gap: .35rem; align-items: center; font-weight: 400; }
.details { white-space: pre-wrap; font-size: .9rem; }
.readme { white-space: pre-wrap; max-height: 40rem; overflow: auto; padding: .75rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
dialog { width: min(32rem, calc(100vw - 2rem)); color: inherit; }
dialog::backdrop { background: rgb(0 0 0 / .5); }
main[aria-busy] { opacity: .6; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 44rem) {
  thead { display: none; }
  table, tbody, tr, th, td { display: block; }
  tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  th, td { border: 0; padding: .1rem 0; }
  td:empty { display: none; }
  td[data-column]:not([data-column=Actions])::before { content: attr(data-column) ': '; color: var(--quiet); }
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .35rem; }
}
`;
