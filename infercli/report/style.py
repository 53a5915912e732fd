"""The one style sheet of every page: light and dark by the reader's own choice, and paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --line: #d1d9e0; --ground: #fff; --panel: #f6f8fa;
  --c0: #0072b2; --c1: #b85300; --c2: #00785a; --c3: #9a4f80; --good: #1a7f37; --bad: #b3261e; --band: #0072b21f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --line: #3d444d; --ground: #0d1117;
  --panel: #151b23; --c0: #58b4e8; --c1: #f0a044; --c2: #3fc49a; --c3: #dd9cc5; --good: #4ac26b; --bad: #ff8a80;
  --band: #58b4e82b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.75rem 0 .25rem; } h4 { font-size: .95rem; margin: 1.25rem 0 .25rem; }
p { margin: .4rem 0; max-width: 48rem; }
p, li, dd, td.words, figcaption { overflow-wrap: anywhere; }
.dim, figcaption, caption { color: var(--dim); font-size: .87rem; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
ul.cautions { margin: .75rem 0; padding: .6rem .75rem .6rem 1.75rem; border-left: 4px solid var(--c1);
  background: var(--panel); }
dl.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
dl.cards div { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .7rem; }
dl.cards dt { color: var(--dim); font-size: .8rem; } dl.cards dd { margin: 0; font-size: 1.15rem; font-weight: 600; }
dl.cards dd small { font-size: .8rem; font-weight: 400; color: var(--dim); display: block; }
figure { margin: .6rem 0 .75rem; overflow-x: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); gap: 0 1rem; }
.pair figure { margin: .25rem 0 .75rem; }
.pair figure > svg { max-width: 36rem; }
figcaption b { color: var(--ink); font-size: .95rem; font-weight: 600; }
svg { display: block; width: 100%; height: auto; }
figure.wide > svg { min-width: 42rem; }
svg text { fill: var(--dim); font: 13px system-ui, sans-serif; }
svg text.strong { fill: var(--ink); }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--dim); stroke-width: 1; }
svg .band { fill: var(--band); } svg .rest { fill: var(--panel); }
svg .mark { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3; }
svg .limit { stroke: var(--bad); stroke-width: 1.25; stroke-dasharray: 6 3; fill: none; }
svg .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
svg .thin { stroke-width: 1.1; stroke-dasharray: 5 2.5; }
svg .s0 { stroke: var(--c0); } svg .s1 { stroke: var(--c1); }
svg .s2 { stroke: var(--c2); } svg .s3 { stroke: var(--c3); }
svg .f0 { fill: var(--c0); } svg .f1 { fill: var(--c1); } svg .f2 { fill: var(--c2); } svg .f3 { fill: var(--c3); }
svg .said { stroke: var(--c2); stroke-width: 1.5; opacity: .6; } svg .whisker { stroke-width: 5; stroke-opacity: .35; }
.key { display: inline-block; margin-right: .9rem; }
.key svg { display: inline-block; width: 1.6rem; height: .7rem; vertical-align: -.05rem; margin-right: .3rem; }
.table { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .25rem 0; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td.words, th.words { text-align: left; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; white-space: nowrap; } td { white-space: nowrap; }
td.words { white-space: normal; min-width: 6.5rem; }
dl.names { font-size: .87rem; } dl.names dt { font-weight: 600; } dl.names dd { margin: 0 0 .3rem 1.5rem; }
details { margin: .25rem 0 1rem; } summary { color: var(--dim); font-size: .87rem; cursor: pointer; }
@media print {
  :root { color-scheme: light; --ink: #000; --dim: #444; --line: #bbb; --ground: #fff; --panel: #f4f4f4; --c0: #0072b2;
    --c1: #b85300; --c2: #00785a; --c3: #9a4f80; --good: #1a7f37; --bad: #b3261e; --band: #0072b21f; }
  @page { size: A4; margin: 14mm 13mm; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  figure, dl.cards div, tr, ul.cautions { break-inside: avoid; } h1, h2, h3, h4, caption { break-after: avoid; }
  .pair { grid-template-columns: 1fr 1fr; } .table, figure { overflow: visible; }
  table { font-size: 8pt; } th, td { padding: .15rem .3rem; }
  figure.wide > svg { min-width: 0; }
  tbody th, td { white-space: normal; } details { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
