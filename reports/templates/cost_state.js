// State of the cost page: what was set, the inputs that follow, and figures with their ranges, through the sheet
// (`evaluate`). Nothing here touches the page.

// JSON has no infinity.
const DATA = JSON.parse(document.getElementById("data").textContent, (key, value) => (value === null ? Infinity : value));
const BASE = Object.fromEntries(Object.entries(DATA.inputs).map(([name, item]) => [name, item.value]));
const DEFAULTS = evaluate(BASE);
const CONTROLS = Object.fromEntries(DATA.controls.map((item) => [item.key, item]));
const N_DRAWS = Math.max(0, ...Object.values(DATA.draws).map((draws) => draws.length));
const N_POINTS = 41, N_EFFECTS = 12, POSITIONS = 1000;

// The node, and the controls that were moved, in their own units; `current` are the figures that follow.
let state = { node: DATA.node, set: {} };
let current = DEFAULTS;

function tidy(value) { return Number(value.toPrecision(12)); }

function isChanged() { return state.node !== DATA.node || Object.keys(state.set).length > 0; }

// What the chosen node changes; an input as the node has it; inputs set by hand, which have no range.
function nodeInputs() { return state.node === DATA.node ? {} : DATA.nodes[state.node]; }
function inputOf(name) { return nodeInputs()[name] || DATA.inputs[name]; }
function about(name) { return DATA.figures[name] || inputOf(name); }
function pinned() { return new Set(Object.keys(state.set).flatMap((key) => CONTROLS[key].inputs)); }

// Sets inputs so that their sum is `total`, in the proportion of the page's own.
function spread(values, inputs, total) {
  const sum = inputs.reduce((all, name) => all + BASE[name], 0);
  for (const name of inputs) values[name] = inputs.length === 1 ? total : (total * BASE[name]) / sum;
  return values;
}

function inputValues() {
  const values = { ...BASE };
  for (const [name, item] of Object.entries(nodeInputs())) values[name] = item.value;
  for (const [key, value] of Object.entries(state.set)) {
    spread(values, CONTROLS[key].inputs, value * CONTROLS[key].scale);
  }
  return values;
}

function bottleneck(results) {
  const labels = Object.keys(DATA.resources), time = (label) => results[DATA.resources[label]];
  return labels.reduce((found, label) => (found && time(found) >= time(label) ? found : label), "");
}

/* ---------------------------------------------------------------- ranges, curves, comparisons */

// Figures at every draw. A draw of an input that a node changes keeps its ratio to the middle; an input set by hand
// is what it was set to.
function drawnFigures(values) {
  const names = Object.keys(DATA.figures), fixed = pinned(), drawn = { ...values };
  const all = Object.fromEntries(names.map((name) => [name, new Float64Array(N_DRAWS)]));
  const moved = Object.entries(DATA.draws).filter(([name]) => !fixed.has(name))
    .map(([name, draws]) => [name, draws, BASE[name] ? values[name] / BASE[name] : 1]);
  for (let i = 0; i < N_DRAWS; i++) {
    for (const [name, draws, factor] of moved) drawn[name] = draws[i] * factor;
    const results = evaluate(drawn);
    for (const name of names) all[name][i] = results[name];
  }
  return all;
}

// In how many of the draws the bottleneck is the one of the middle.
function bottleneckShare(all, label) {
  const times = Object.values(DATA.resources).map((name) => all[name]), own = all[DATA.resources[label]];
  return own.filter((time, i) => times.every((other) => other[i] <= time)).length / N_DRAWS;
}

// 5th and 95th percentile, as costmodel/uncertainty.py takes them.
function percentiles(all) {
  const at = (sorted, p) => sorted[Math.min(N_DRAWS - 1, Math.floor((N_DRAWS * p) / 100))];
  return Object.fromEntries(Object.entries(all).map(([name, drawn]) => {
    const sorted = drawn.slice().sort();
    return [name, [Math.min(at(sorted, 5), current[name]), Math.max(at(sorted, 95), current[name])]];
  }));
}

function rangeOf(name, ranges) {
  const item = about(name);
  if (name in DATA.figures && isChanged()) return ranges ? ranges[name] : null;
  return pinned().has(name) ? [current[name], current[name]] : [item.low, item.high];
}

function baselineOf(key) { return DATA.baselines.find((item) => item.key === key); }

function curvePoints(chart, values) {
  return Array.from({ length: N_POINTS }, (_, i) => {
    const part = i / (N_POINTS - 1);
    const x = chart.log ? chart.low * (chart.high / chart.low) ** part : chart.low + (chart.high - chart.low) * part;
    const at = spread({ ...values }, chart.inputs, x * chart.scale), own = evaluate(at);
    const beside = (key) => evaluate({ ...at, ...baselineOf(key).values });
    return { x, results: chart.lines.map((line) => (line.baseline ? beside(line.baseline) : own)[line.figure]) };
  });
}

// The design and every machine: per metric a value, and the figure it is or what is known of it.
function baselineRows(values, results) {
  const cellsOf = (cell) => Object.fromEntries(DATA.metrics.map((item) => [item.key, cell(item)]).filter(([, x]) => x));
  const live = (found, figure, item) => ({ value: found[figure] / item.scale, figure });
  const own = cellsOf((item) => live(results, item.figure, item));
  const machines = DATA.baselines.map((machine) => {
    const found = evaluate({ ...values, ...machine.values });
    const cells = cellsOf((item) => {
      const entry = machine.metrics[item.key];
      return typeof entry === "string" ? live(found, entry, item) : entry && { ...entry, value: entry.mid };
    });
    return { ...machine, cells };
  });
  const design = { key: "", name: "this design", basis: "consistent mode", ours: true, cells: own };
  return [design, ...machines];
}

// What each input does to a figure between the ends of its range, the largest effect first.
function effectsOn(item, values) {
  const fixed = pinned(), result = (changed) => evaluate({ ...values, ...changed })[item.figure] / item.scale;
  const effects = Object.keys(DATA.inputs).map((name) => {
    const { label, unit, scale, low, high } = inputOf(name);
    if (fixed.has(name) || !(high > low)) return { size: 0 };
    const atLow = result({ [name]: low }), atHigh = result({ [name]: high }), size = Math.abs(atHigh - atLow);
    const found = { name, label, unit, scale, low, high, now: values[name], atLow, atHigh };
    return { ...found, size: Number.isNaN(size) ? Infinity : size };
  });
  return effects.filter((e) => e.size > 0).sort((a, b) => b.size - a.size).slice(0, N_EFFECTS);
}

/* ---------------------------------------------------------------- controls and the address */

function valueOf(item) { return item.key in state.set ? state.set[item.key] : item.value; }

function allowed(item, value) { return tidy(Math.min(item.high, Math.max(item.low, value))); }

function position(item, value) {
  if (item.log) return (POSITIONS * Math.log(value / item.low)) / Math.log(item.high / item.low);
  return (POSITIONS * (value - item.low)) / (item.high - item.low);
}

function valueAt(item, place) {
  const part = place / POSITIONS;
  const value = item.log ? item.low * (item.high / item.low) ** part : item.low + (item.high - item.low) * part;
  return allowed(item, Math.round(value / item.step) * item.step);
}

function setControl(item, value) {
  if (tidy(value) === tidy(item.value)) delete state.set[item.key];
  else state.set[item.key] = value;
}

function toHash() {
  const parts = [...(state.node === DATA.node ? [] : [["node", state.node]]), ...Object.entries(state.set)];
  return parts.map(([key, value]) => encodeURIComponent(key) + "=" + encodeURIComponent(value)).join("&");
}

// What an address sets; what it says of unknown keys or in no number is left out, numbers are kept within limits.
function fromHash(hash) {
  state = { node: DATA.node, set: {} };
  for (const [key, text] of new URLSearchParams(hash.slice(1))) {
    if (key === "node" && Object.hasOwn(DATA.nodes, text)) state.node = text;
    else if (Object.hasOwn(CONTROLS, key) && text !== "" && Number.isFinite(Number(text))) {
      setControl(CONTROLS[key], allowed(CONTROLS[key], Number(text)));
    }
  }
}
