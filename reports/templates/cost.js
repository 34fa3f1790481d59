// The cost page at work: settings change the state, and after a moment everything that follows from it is shown.

const DEBOUNCE_MS = 90, RANGES_MS = 120;
let compared = DATA.metrics.length ? DATA.metrics[0].key : "";
let effect = DATA.sensitivity.length ? DATA.sensitivity[0].key : "";
let timer = 0, later = 0;

const PARTS = Object.fromEntries(DATA.controls.map((item) => {
  const root = $(`[data-control="${item.key}"]`);
  return [item.key, { item, root, box: $('input[type="number"]', root), slider: $('input[type="range"]', root) }];
}));

// The settings as they are, but for the one that is being typed or dragged.
function showSettings() {
  const busy = document.activeElement, select = $("#set-node");
  for (const { item, root, box, slider } of Object.values(PARTS)) {
    if (box !== busy) box.value = tidy(valueOf(item));
    if (slider !== busy) slider.value = position(item, valueOf(item));
    slider.setAttribute("aria-valuetext", shown(valueOf(item), item.unit));
    root.classList.toggle("changed", item.key in state.set);
  }
  if (select) {
    select.value = state.node;
    select.closest(".control").classList.toggle("changed", state.node !== DATA.node);
  }
  const n = Object.keys(state.set).length + (state.node === DATA.node ? 0 : 1);
  $("#reset").disabled = n === 0;
  for (const element of $$("[data-state]")) element.textContent = n ? n + " changed" : "";
  const settings = DATA.controls.map((item) => item.label.toLowerCase() + " " + shown(valueOf(item), item.unit, 6));
  if (select) settings.unshift("node " + state.node);
  $("#printed-state").textContent = "Settings: " + settings.join(", ") + ".";
}

function schedule() {
  document.body.dataset.busy = "1";
  clearTimeout(timer);
  timer = setTimeout(update, DEBOUNCE_MS);
}

function update() {
  document.body.dataset.busy = "1";
  const values = inputValues(), hash = toHash();
  current = evaluate(values);
  history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  showSettings();
  showLimits(current);
  showTiles(current);
  showTable(current);
  showRanges(null);
  showCharts(values, current, compared, effect);
  clearTimeout(later);
  later = setTimeout(() => finish(values), N_DRAWS ? RANGES_MS : 0);
}

// What takes longer: ranges.
function finish(values) {
  if (N_DRAWS) {
    const all = drawnFigures(values);
    if (isChanged()) showRanges(percentiles(all));
    if (Object.keys(DATA.resources).length) showShare(bottleneckShare(all, bottleneck(current)));
  }
  delete document.body.dataset.busy;
}

function onChange(selector, tell) {
  const element = $(selector);
  if (element) element.addEventListener("change", () => { tell(element.value); schedule(); });
}

for (const { item, box, slider } of Object.values(PARTS)) {
  const set = (value) => { setControl(item, value); schedule(); };
  const n = (item.high - item.low) / item.step;
  Object.assign(slider, { min: 0, max: POSITIONS, step: !item.log && n < POSITIONS ? POSITIONS / n : 1 });
  slider.addEventListener("input", () => set(valueAt(item, Number(slider.value))));
  box.addEventListener("input", () => { if (box.value !== "" && box.validity.valid) set(Number(box.value)); });
  box.addEventListener("change", () => {
    set(allowed(item, box.value === "" ? item.value : Number(box.value)));
    box.value = tidy(valueOf(item));
  });
}
onChange("#set-node", (value) => { state.node = value; });
onChange("#metric", (value) => { compared = value; });
onChange("#effect", (value) => { effect = value; });
$("#reset").addEventListener("click", () => { state = { node: DATA.node, set: {} }; schedule(); });
$("#search").addEventListener("input", search);
$("#kind").addEventListener("change", search);

const TELLS = { mouseover: showTip, focusin: showTip, mouseout: leaveTip, focusout: hideTip };
for (const [kind, tell] of Object.entries(TELLS)) {
  document.addEventListener(kind, (event) => {
    const element = event.target.closest && event.target.closest(TIPPED);
    if (element) tell(element);
  });
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
addEventListener("scroll", placeTip, { passive: true, capture: true });

addEventListener("hashchange", () => { fromHash(location.hash); schedule(); });
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; schedule(); } });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);
addEventListener("beforeprint", () => {
  for (const element of $$("#figures details")) element.open = true;
  printing = true;
  showCharts(inputValues(), current, compared, effect);
});
addEventListener("afterprint", () => { printing = false; schedule(); });

const narrow = matchMedia("(max-width: 900px)");
$("#settings").open = !narrow.matches;
narrow.addEventListener("change", () => { $("#settings").open = !narrow.matches; });
fromHash(location.hash);
update();
