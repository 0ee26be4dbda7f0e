"""How the page looks: light and dark, on a desk, on a phone and on paper."""

CSS = """
:root {
  color-scheme: light dark;
  --ground: #fcfcfb; --card: #ffffff; --ink: #1d2126; --soft: #626a73; --line: #e3e5e8;
  --clean: #1a7f5a; --clean-soft: #e3f3ec; --inherited: #9a6700; --inherited-soft: #fbf1d8;
  --origin: #c4314b; --origin-soft: #fbe4e8; --reference: #8b949e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --card: #1c2024; --ink: #e8eaed; --soft: #9aa3ad; --line: #2f353b;
    --clean: #5cc79b; --clean-soft: #17332a; --inherited: #e0b34c; --inherited-soft: #382d13;
    --origin: #ff7f93; --origin-soft: #42202a; --reference: #7d8590;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2rem 0 .6rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 3rem 0 .3rem; }
h3 { font-size: 1.05rem; margin: 0; }
p { margin: .3rem 0; overflow-wrap: anywhere; }
code, td, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.soft, .note { color: var(--soft); }
.note { font-size: .9rem; margin-bottom: 1rem; }
.badge {
  display: inline-block; padding: .15rem .7rem; border-radius: 99px; font-weight: 600;
  font-size: .9rem;
}
.clean { --of: var(--clean); --of-soft: var(--clean-soft); }
.inherited { --of: var(--inherited); --of-soft: var(--inherited-soft); }
.origin { --of: var(--origin); --of-soft: var(--origin-soft); }
.badge, .word { color: var(--of); }
.badge { background: var(--of-soft); }
.fault {
  background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--origin);
  border-radius: 8px; padding: 1rem 1.25rem; margin: .9rem 0; display: flex; gap: 1.5rem;
  flex-wrap: wrap; align-items: flex-start; justify-content: space-between;
}
.fault > div { flex: 1 1 20rem; min-width: 0; }
.change { overflow-x: auto; margin: .2rem 0 .5rem; padding: .4rem .6rem; }
.change { border: 1px solid var(--line); border-radius: .3rem; white-space: pre; }
.change del, .change ins { text-decoration: none; }
.change del { color: var(--origin); }
.change ins { color: var(--clean); }
.fault .sentence { font-size: 1.1rem; margin: .35rem 0 .5rem; }
.fault figure { flex: 0 0 auto; }
figure { margin: 0; max-width: 100%; }
figcaption { color: var(--soft); font-size: .8rem; margin-top: .3rem; max-width: 22rem; }
.network {
  display: flex; flex-wrap: wrap; gap: .55rem 0; padding: 0; margin: .8rem 0; list-style: none;
}
.network li { display: flex; align-items: center; max-width: 100%; }
.network .arrow { color: var(--soft); padding: 0 .3rem; line-height: 1; text-align: center; }
.network .arrow small { display: block; font-size: .7rem; }
.layer {
  background: var(--of-soft); border: 1px solid var(--of); border-radius: 7px;
  padding: .3rem .7rem .35rem; min-width: 6.5rem; max-width: 100%; overflow-wrap: anywhere;
}
.layer.origin { border-width: 2px; font-weight: 600; }
.layer .name { display: block; font-size: .75rem; color: var(--soft); font-weight: 400; }
.layer .word { display: block; font-size: .78rem; }
.scroll {
  overflow: auto; max-height: 34rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card);
}
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th { text-align: left; font-weight: 600; color: var(--soft); white-space: nowrap; }
th, td { padding: .4rem .8rem; border-bottom: 1px solid var(--line); vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
td { white-space: nowrap; }
td.number, th.number { text-align: right; }
td.words { font-family: inherit; min-width: 14rem; white-space: normal; }
td svg { max-width: none; }
.charts { display: flex; flex-wrap: wrap; gap: 1.2rem 1.6rem; }
svg { display: block; max-width: 100%; }
svg text { font: 10px system-ui, sans-serif; fill: var(--soft); }
.bar, .dot-manual { fill: var(--of); }
.dot-reference { fill: none; stroke: var(--reference); stroke-width: 1.5; }
.axis { stroke: var(--line); }
.allowed { stroke: var(--ink); stroke-width: 1.5; }
@media print {
  main { max-width: none; padding: 0; }
  .scroll { max-height: none; }
  .fault, .scroll { break-inside: avoid; }
}
"""
