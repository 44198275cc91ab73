"use strict";
// The page holds everything for all steps and units; this only shows and hides. State: the step, and a unit or none.
const all = (selector) => Array.from(document.querySelectorAll(selector));
const slider = document.getElementById("slider");
const playButton = document.getElementById("play");
const last = Number(slider.max);
let step = 1, unit = "", playing = 0;

function show() {
  slider.value = step;
  slider.setAttribute("aria-valuetext", `step ${step} of ${last}`);
  for (const part of all("[data-step]")) part.classList.toggle("off", Number(part.dataset.step) !== step);
  for (const button of all("[data-go]")) button.classList.toggle("shown", Number(button.dataset.go) === step);
  const has = (list) => list.split(" ").includes(String(step));
  for (const line of all("[data-now]")) {
    line.classList.toggle("now", has(line.dataset.now));
    line.classList.toggle("during", has(line.dataset.in) && !has(line.dataset.now));
    line.ariaCurrent = has(line.dataset.now) ? "step" : null;
  }
  for (const part of all("[data-show]")) part.classList.toggle("off", part.dataset.show !== unit);
  for (const handle of all("#chip .unit")) handle.classList.toggle("chosen", handle.dataset.unit === unit);
  document.getElementById("hint").classList.toggle("off", unit !== "");
  const place = new URLSearchParams(unit ? { step, unit } : { step });
  history.replaceState(null, "", `#${place}`);
}

function go(number) {
  step = Math.min(Math.max(number, 1), last);
  show();
}

// Show a unit's program. Beside the chip only the panel scrolls, so that the page's title stays; below the chip, on a
// narrow page, a click leads there.
function choose(name, clicked = true) {
  const section = all("[data-show]").find((part) => part.dataset.show === name);
  unit = section ? name : "";
  show();
  if (!section) return;
  const panel = document.querySelector(".right");
  const [top, bottom] = [section.offsetTop, section.offsetTop + section.offsetHeight];
  if (getComputedStyle(panel).position === "sticky") {
    const visible = top >= panel.scrollTop && bottom <= panel.scrollTop + panel.clientHeight;
    if (!visible) panel.scrollTop = top - 16;
  } else if (clicked) section.scrollIntoView({ block: "nearest" });
}

function play(on) {
  clearInterval(playing);
  playing = on ? setInterval(() => go(step === last ? 1 : step + 1), 1200) : 0;
  playButton.textContent = on ? "Pause" : "Play";
  playButton.setAttribute("aria-pressed", String(on));
}

function readAddress() {
  const place = new URLSearchParams(location.hash.slice(1));
  step = Math.min(Math.max(Number(place.get("step")) || step, 1), last);
  choose(place.get("unit") ?? unit, false);
}

slider.addEventListener("input", () => go(Number(slider.value)));
document.getElementById("back").addEventListener("click", () => go(step - 1));
document.getElementById("on").addEventListener("click", () => go(step + 1));
playButton.addEventListener("click", () => play(!playing));
document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-unit], [data-go]");
  if (target?.dataset.unit) choose(target.dataset.unit);
  else if (target) go(Number(target.dataset.go));
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const onControl = event.target.closest("button, input, summary");
  if (event.key === "ArrowLeft" && event.target !== slider) go(step - 1);
  else if (event.key === "ArrowRight" && event.target !== slider) go(step + 1);
  else if (event.key === " " && !onControl && !event.target.dataset?.unit) play(!playing);
  else if ([" ", "Enter"].includes(event.key) && event.target.matches("#chip .unit")) choose(event.target.dataset.unit);
  else if (event.key === "Escape") choose("");
  else return;
  event.preventDefault();
});
window.addEventListener("hashchange", readAddress);
readAddress();
