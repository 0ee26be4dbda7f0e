"""How the page of steps looks and moves; nothing moves for a reader who asked for less motion."""

CSS = """
.controls {
  display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: 1rem 0;
  position: sticky; top: 0; background: var(--ground); padding: .6rem 0; z-index: 1;
}
.controls[hidden] { display: none; }
.controls button {
  font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .25rem .8rem; cursor: pointer;
}
.controls button:disabled { color: var(--soft); cursor: default; }
.controls :focus-visible { outline: 3px solid var(--clean); outline-offset: 2px; }
.controls input { flex: 1 1 10rem; accent-color: var(--clean); }
.keys { font-size: .85rem; }
.step { --way: var(--clean); margin: 1rem 0 2.5rem; }
.step.loss, .step.backward { --way: var(--origin); }
.step h2 { margin: .1rem 0 .4rem; font-size: 1.5rem; color: var(--way); }
.stepwise .step { display: none; }
.stepwise .step.shown { display: block; }
.step figure { margin: 1rem 0; }
.step svg { width: 100%; max-width: 44rem; max-height: 60vh; }
.step svg text { font-size: 12px; }
.step svg .value { fill: var(--ink); font-weight: 600; }
.step svg .delta { fill: var(--origin); font-weight: 600; }
.neuron { fill: var(--card); stroke: var(--reference); stroke-width: 1.5; }
.neuron.now { stroke: var(--way); stroke-width: 3; }
.weight { stroke: var(--reference); stroke-opacity: .4; }
.weight.forward, .weight.backward {
  stroke: var(--way); stroke-opacity: 1; stroke-dasharray: 7 5;
}
.equation {
  display: flex; flex-wrap: wrap; gap: .5rem .6rem; align-items: center; overflow-x: auto;
}
.equation .sign { font-size: 1.2rem; color: var(--soft); padding-top: 1.3rem; }
.matrix { width: auto; border-collapse: separate; border-spacing: 0; font-size: .9rem; }
.matrix caption { color: var(--soft); padding-bottom: .1rem; white-space: nowrap; }
.matrix tbody { display: block; border: 1.5px solid var(--ink); border-width: 0 1.5px;
  border-radius: 7px; padding: .1rem .15rem; }
.matrix td { border: 0; padding: .1rem .4rem; text-align: right; }
@media (prefers-reduced-motion: no-preference) {
  .weight.forward { animation: flow .8s linear infinite; }
  .weight.backward { animation: flow .8s linear infinite reverse; }
  @keyframes flow { to { stroke-dashoffset: -12; } }
}
@media print {
  .controls { display: none; }
  .stepwise .step { display: block; break-inside: avoid; }
}
"""

SCRIPT = """
(() => {
  const at = id => document.getElementById(id);
  const steps = [...document.querySelectorAll(".step")];
  const [back, next, play, slider, where] = ["back", "next", "play", "step", "where"].map(at);
  let now = 0, timer = null;

  function go(to) {
    now = Math.min(Math.max(to, 0), steps.length - 1);
    steps.forEach((step, i) => step.classList.toggle("shown", i === now));
    slider.value = now + 1;
    back.disabled = now === 0;
    next.disabled = now === steps.length - 1;
    where.textContent = `Step ${now + 1} of ${steps.length}: `
      + steps[now].querySelector("h2").textContent;
    if (next.disabled) stop();
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }
  function toggle() {
    if (timer) return stop();
    if (now === steps.length - 1) go(0);
    timer = setInterval(() => go(now + 1), 2500);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
  }
  function by_hand(to) { stop(); go(to); }

  back.onclick = () => by_hand(now - 1);
  next.onclick = () => by_hand(now + 1);
  play.onclick = toggle;
  slider.oninput = () => by_hand(slider.value - 1);
  document.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target === slider) return;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: steps.length - 1 };
    if (event.key in to) by_hand(to[event.key]);
    else if (event.key === " " && event.target.tagName !== "BUTTON") toggle();
    else return;
    event.preventDefault();
  });
  document.querySelector(".controls").hidden = false;
  document.body.classList.add("stepwise");
  go(0);
})();
"""
