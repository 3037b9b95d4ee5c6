"""The style sheet of every page: system fonts, light, dark and print."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --font: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
  --page: #f6f5f2; --card: #ffffff; --ink: #1d2126; --muted: #5c646e; --line: #dddcd7;
  --accent: #14508f; --heat: #14508f; --on-heat: #ffffff;
  --good: #00795a; --bad: #c24a00; --alarm: #a3180f; --alarm-ink: #ffffff;
  --warn: #f6d77a; --warn-ink: #3d2c00; --soft: #eef1f5;
  --s0: #0067a8; --s1: #d05a00; --s2: #00846a; --s3: #a2508a; --s4: #2c95c9; --s5: #8a6d00;
  --l0: #8b9099; --l1: #56b4e9; --l2: #e3ae00; --l3: #1f5fa8; --l4: #d55e00; --l5: #8d4fa8;
  --l6: #009e73; --l7: #dd86b4;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #12151a; --card: #1a1f26; --ink: #e7eaee; --muted: #9fa9b5; --line: #333b46;
    --accent: #84bdf5; --heat: #2f70bb; --on-heat: #ffffff;
    --good: #35c29a; --bad: #f58a4b; --alarm: #d23b2f; --warn: #6b5310; --warn-ink: #ffeec0;
    --soft: #222933;
    --s0: #56a8e6; --s1: #f0914a; --s2: #2fc29d; --s3: #d58cc0; --s4: #9ad3f2; --s5: #d2b548;
    --l0: #9aa1ab; --l1: #7cc8f2; --l2: #f0c63c; --l3: #3f86d6; --l4: #ee7b2b; --l5: #b07fca;
    --l6: #2bb98c; --l7: #eba3c8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 var(--font); overflow-wrap: anywhere;
}
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 40px; }
h1 { font-size: clamp(1.6rem, 1.2rem + 2vw, 2.4rem); line-height: 1.15; margin: 0 0 .4rem;
  letter-spacing: -.015em; font-weight: 680; text-wrap: balance; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 0 0 .35rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
section > h3 { margin: 22px 0 8px; }
p { margin: 0 0 .8rem; max-width: 72ch; }
a { color: var(--accent); }
code, pre { font: .86em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; background: var(--soft); padding: 12px 14px; border-radius: 8px;
  margin: 0 0 .8rem; }
section { margin: 0 0 44px; scroll-margin-top: 16px; }
article { border-top: 3px solid var(--ink); padding-top: 26px; margin-top: 56px; }
article > h1 { font-size: 1.8rem; }
article.only { border: 0; padding: 0; margin: 0; }
.lead { color: var(--muted); font-size: 1.06rem; }
.eyebrow { color: var(--muted); font-size: .82rem; letter-spacing: .06em;
  text-transform: uppercase; margin: 0 0 .5rem; }
nav { margin: 22px 0 34px; padding: 10px 0; border: solid var(--line); border-width: 1px 0;
  display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: .92rem; }
nav a { text-decoration: none; padding: 4px 0; }
nav a:hover, nav a:focus-visible { text-decoration: underline; }
.badge { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: .78rem;
  font-weight: 600; border: 1px solid var(--line); color: var(--muted); white-space: nowrap; }
.badge.strict { color: var(--good); border-color: currentColor; }
.badge.leaky { background: var(--alarm); color: var(--alarm-ink); border-color: var(--alarm); }
.badge.adapted { background: var(--warn); color: var(--warn-ink); border-color: var(--warn); }
.notice { border-radius: 10px; padding: 14px 18px; margin: 18px 0; }
.notice p { margin: 0; }
.notice b { display: block; font-size: 1.08rem; }
.notice.leaky { background: var(--alarm); color: var(--alarm-ink);
  border-left: 14px solid; border-image: repeating-linear-gradient(
    -45deg, #ffd000 0 9px, #1a1a1a 9px 18px) 14; border-radius: 0; }
.notice.adapted { background: var(--warn); color: var(--warn-ink); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 210px), 1fr));
  gap: 14px; margin: 0 0 20px; padding: 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 18px; margin: 0; border-top: 4px solid var(--tone, var(--line)); }
.tile dt { color: var(--muted); font-size: .88rem; }
.tile dd { margin: 0; font-size: 2rem; line-height: 1.25; font-weight: 650;
  font-variant-numeric: tabular-nums; letter-spacing: -.02em; }
.tile dd small { display: block; font-size: .84rem; font-weight: 400; color: var(--muted);
  letter-spacing: 0; line-height: 1.45; }
.figures { display: grid; gap: 14px; margin: 0 0 14px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 318px), 1fr)); align-items: start; }
.beside { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; margin: 0 0 14px;
  align-items: start; }
.beside > *, .figures > * { min-width: 0; }
@media (min-width: 820px) {
  .beside { grid-template-columns: 386px minmax(0, 1fr); }
  .figures.pairs { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
.figures > div > figure + .scroll { margin-top: 14px; }
.beside .scroll, .figures .scroll { margin-bottom: 8px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 16px; min-width: 0; break-inside: avoid; }
figure.wide { margin-bottom: 14px; }
figcaption { color: var(--muted); font-size: .88rem; margin-top: 8px; }
.plot { display: block; width: 100%; height: auto; margin: 0 auto; color: var(--ink);
  overflow: visible; }
.plot * { stroke-linejoin: round; stroke-linecap: butt; }
.keys { display: flex; flex-wrap: wrap; gap: 0 14px; margin: 2px 0 8px; padding: 0;
  list-style: none;
  font-size: .82rem; }
.keep + .keys { margin: 8px 0 0; }
.sign { color: var(--tone); margin-right: .4em; }
.name small { display: block; font-weight: 400; }
.keep { overflow-x: auto; }
.keep .plot { min-width: 600px; }
.reading { color: var(--muted); font-size: .92rem; }
.scroll { overflow: auto; max-height: min(76vh, 760px); background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; margin: 0 0 14px; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 7px 11px; text-align: left; vertical-align: middle;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { position: sticky; top: 0; z-index: 2; background: var(--soft); font-size: .8rem;
  font-weight: 600; color: var(--muted); vertical-align: bottom; }
tbody th { font-weight: 600; position: sticky; left: 0; z-index: 1; background: var(--card);
  }
.head { width: max-content; max-width: 7.6rem; margin-left: auto;
  overflow-wrap: anywhere; }
.name { width: max-content; max-width: 15rem; overflow-wrap: break-word; }
thead th:first-child { left: 0; z-index: 3; }
.n { text-align: right; }
td.n { white-space: nowrap; }
td small { display: block; color: var(--muted); white-space: nowrap; line-height: 1.3; }
td > .same { display: inline; }
tr.best > * { background: var(--soft); }
.heat { background: color-mix(in srgb, var(--heat) calc(var(--p) * 68%), transparent); }
.dense td, .dense th { padding: 5px 9px; }
.key { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .5em;
  background: var(--tone); }
.range { display: inline-block; position: relative; width: 96px; height: 16px;
  vertical-align: middle; }
.range::before { content: ""; position: absolute; inset: 7px 0; background: var(--line); }
.range i { position: absolute; top: 5px; height: 6px; border-radius: 3px; background: var(--tone);
  opacity: .45; }
.range b { position: absolute; top: 2px; width: 3px; height: 12px; margin-left: -1px;
  background: var(--tone); }
details { margin: 0 0 14px; }
summary { cursor: pointer; color: var(--accent); padding: 6px 0; font-size: .94rem; }
dl.facts { display: grid; grid-template-columns: minmax(7rem, 12rem) 1fr; gap: 6px 18px;
  margin: 0 0 16px; font-size: .94rem; }
dl.facts dt { color: var(--muted); }
dl.facts dd { margin: 0; min-width: 0; }
footer { color: var(--muted); font-size: .86rem; padding-bottom: 48px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 600px) {
  header { padding-top: 24px; }
  figure { padding: 10px; }
  th, td { padding: 6px 9px; }
  .name { max-width: 8.6rem; }
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: 8px; }
}
@media print {
  body { background: #fff; font-size: 10.5pt; }
  nav { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .scroll { max-height: none; overflow: visible; border-radius: 0; }
  .figures { grid-template-columns: repeat(2, 1fr); }
  thead th, tbody th { position: static; }
  table { font-size: 8pt; }
  .range { width: 48px; }
  .name { max-width: 9rem; }
  .head { max-width: 5.4rem; }
  th, td { padding: 3px 5px; }
  tr, h2, h3 { break-inside: avoid; break-after: auto; }
  h2, h3 { break-after: avoid; }
  details::details-content { content-visibility: visible; height: auto; }
}
"""
