// Charts of the cost page: from results to specifications for Plotly, with a table of the same numbers.
// Reads DATA and the page's colours; changes nothing.

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const CHAR = 6.7; // pixels of a letter, on the wide side
const DASHES = ["solid", "dash", "dot", "dashdot"], STROKES = ["", "7 5", "2 4", "8 3 2 3"];
const BLANK = "rgba(0,0,0,0)";

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue("--" + name).trim();
  return {
    ink: of("ink"), muted: of("muted"), line: of("line"), paper: of("paper"), accent: of("accent"), soft: of("soft"),
    series: [0, 1, 2, 3, 4, 5].map((i) => of("series-" + i)),
  };
}

/* ---------------------------------------------------------------- text */

function escaped(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

function wrapped(text, width = 52) {
  const lines = [""];
  for (const word of String(text).split(" ")) {
    if (lines.at(-1).length + word.length > width && lines.at(-1)) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines.map(escaped).join("<br>");
}

function short(text, most) { return text.length > most ? text.slice(0, most - 1) + "\u2026" : text; }

// What a figure or an input is: formula, tag, source, for the hover text of a bar or a line.
function explained(name) {
  const item = DATA.figures[name] || DATA.inputs[name], rows = [];
  if (item.note) rows.push("<i>" + wrapped(item.note) + "</i>");
  rows.push("Tag: " + item.tag);
  if (item.sources.length) {
    const more = item.sources.length - 1;
    rows.push(wrapped("Source: " + short(DATA.sources[item.sources[0]], 170) + (more ? ` (and ${more} more)` : "")));
  }
  return rows.join("<br>");
}

function hover(label, value, rest) { return "<b>" + escaped(label) + "</b>  " + value + "<br>" + rest; }

function percent(part) { return part < 0.001 ? "<0.1\u202f%" : number(100 * part, 2) + "\u202f%"; }

function withUnit(label, unit) {
  const text = shown(2, unit).replace(/^2\.?0* ?/, "");
  const said = !text || unit.startsWith("USD") || label.toLowerCase().includes(unit.split("/")[0]);
  return said ? label : label + ", " + text;
}

/* ---------------------------------------------------------------- axes */

// A tick: money and what takes a prefix keep their unit, others have it beside the axis.
function bare(value, unit) {
  const head = unit.split("/")[0], size = Math.abs(value);
  if (unit === "USD/token") return "$" + number(value * 1e6, 3);
  if (head === "USD") return "$" + counted(value, 2).replace(" ", "");
  if (METRIC.includes(head)) {
    return value === 0 ? "0" : metric(value, head, 3).replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ");
  }
  if (size >= 1e6 || (size && size < 1e-3)) return metric(value, "", 2).replace(" ", "");
  const text = number(Number(value.toPrecision(6)), size >= 100 ? 6 : 3);
  return text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

function linearTicks(low, high, n) {
  const raw = (high - low) / n, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((x) => x * power).find((x) => x >= raw * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i++) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high, n) {
  const span = Math.log10(high / low), parts = span > 2 ? [1] : span > 1 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const part of parts) ticks.push(part * 10 ** e);
  }
  const inside = ticks.filter((x) => x >= low * 0.999 && x <= high * 1.001);
  const every = Math.max(1, Math.ceil(span / (n * 1.4)));
  return span > 2 ? inside.filter((_, i) => (inside.length - 1 - i) % every === 0) : inside;
}

// Those ticks whose labels do not touch, from the last one down.
function apart(ticks, place, unit) {
  const kept = [];
  let free = Infinity;
  for (const x of [...ticks].reverse()) {
    const half = (bare(x, unit).length * 7 + 14) / 2;
    if (place(x) + half <= free) {
      kept.unshift(x);
      free = place(x) - half;
    }
  }
  return kept;
}

// An axis of numbers; ticks go as far as the data (`most`), `left` is what stands beside the plot.
function axis(low, high, unit, log, width, look, { title = "", most = high, left = 70, upright = false } = {}) {
  const n = Math.max(3, Math.min(7, Math.floor(width / 95))), reach = Math.min(high, most * (log ? 2 : 1.15));
  const part = log ? Math.log(reach / low) / Math.log(high / low) : 1;
  const all = log ? logTicks(low, reach, Math.max(2, n * part)) : linearTicks(low, high, n).filter((x) => x <= reach);
  const along = (x) => (log ? Math.log(x / low) / Math.log(high / low) : (x - low) / (high - low));
  const ticks = upright ? all : apart(all, (x) => (width - left) * along(x), unit);
  return {
    type: log ? "log" : "linear", range: log ? [Math.log10(low), Math.log10(high)] : [low, high],
    tickvals: ticks, ticktext: ticks.map((x) => bare(x, unit)), tickangle: 0,
    tickfont: { size: 12, color: look.muted }, gridcolor: look.line, zeroline: false, fixedrange: true, automargin: true,
    title: { text: title, font: { size: 12, color: look.muted }, standoff: 8 },
  };
}

function labelRoom(width) { return Math.max(14, Math.floor((width * 0.4) / CHAR)); }

function leftRoom(labels, width) {
  const longest = Math.max(...labels.map((text) => text.length), 1);
  return Math.min(labelRoom(width), longest) * CHAR + 22;
}

function categories(labels, look, width) {
  return {
    type: "category", tickmode: "array", tickvals: labels.map((_, i) => i),
    ticktext: labels.map((text) => escaped(short(text, labelRoom(width)))), range: [labels.length - 0.5, -0.5],
    tickfont: { size: 12.5, color: look.ink }, ticklabelstandoff: 6, showgrid: false, zeroline: false,
    fixedrange: true, automargin: true,
  };
}

function layout(look, height, more) {
  const font = { family: FONT, size: 12.5, color: look.ink };
  return {
    height, margin: { l: 8, r: 8, t: 6, b: 8 }, paper_bgcolor: BLANK, plot_bgcolor: BLANK, font, showlegend: false,
    hoverlabel: { bgcolor: look.paper, bordercolor: look.muted, font, align: "left", namelength: 0 }, ...more,
  };
}

/* ---------------------------------------------------------------- bars */

// Right end of the axis, so that each bar's text fits beside it.
function roomFor(ends, texts, labels, low, log, width) {
  const plot = Math.max(60, width - leftRoom(labels, width) - 10);
  const rest = (i) => 1 - Math.min(0.8, (texts[i].length * CHAR + 14) / plot);
  const high = ends.map((end, i) => (log ? low * (end / low) ** (1 / rest(i)) : end / rest(i)));
  return Math.max(...high, 0) || 1;
}

// Horizontal bars from `row.base` to `row.base + row.value`, each with its text behind it.
function bars(rows, { unit, log, title, height }, width, look) {
  const labels = rows.map((row) => row.label), texts = rows.map((row) => row.text);
  const low = log ? Math.min(...rows.map((row) => row.value)) / 3 : 0;
  const starts = rows.map((row) => (log ? low : row.base || 0)), ends = rows.map((row) => (row.base || 0) + row.value);
  const high = roomFor(ends, texts, labels, low, log, width);
  const trace = {
    type: "bar", orientation: "h", width: 0.66, y: rows.map((_, i) => i), x: ends.map((end, i) => end - starts[i]),
    base: starts, marker: { color: rows.map((row) => row.colour) }, customdata: rows.map((row) => row.hover),
    hovertemplate: "%{customdata}<extra></extra>",
  };
  const written = rows.map((row, i) => ({
    x: log ? Math.log10(ends[i]) : ends[i], y: i, text: escaped(texts[i]), showarrow: false, xanchor: "left", xshift: 4,
    font: { size: 12.5, color: look.ink },
  }));
  const most = Math.max(...ends), left = leftRoom(labels, width);
  return {
    traces: [trace],
    layout: layout(look, height + 27 * Math.max(rows.length, 1), {
      xaxis: axis(low, high, unit, log, width, look, { title, most, left }), yaxis: categories(labels, look, width),
      annotations: written,
    }),
  };
}

// Parts, the largest first; a waterfall keeps its order and ends in its total.
function partsChart(chart, results, width, look) {
  const falling = chart.kind === "waterfall";
  const rows = chart.parts
    .map((part) => ({ label: part.label, figure: part.figure, value: results[part.figure] / chart.scale }))
    .filter((row) => Number.isFinite(row.value) && row.value > 0);
  if (!falling) rows.sort((a, b) => b.value - a.value);
  const sum = rows.reduce((all, row) => all + row.value, 0), total = falling ? results[chart.total] / chart.scale : sum;
  let end = 0;
  for (const row of rows) {
    row.share = width < 420 || chart.log ? "" : "  " + percent(row.value / total);
    row.base = falling ? end : 0;
    row.colour = falling ? look.soft : look.accent;
    end += row.value;
  }
  if (falling) rows.push({ label: "total", figure: chart.total, value: total, share: "", base: 0, colour: look.accent });
  for (const row of rows) {
    row.size = shown(row.value, chart.unit);
    row.text = row.size + row.share;
    row.hover = hover(row.label, row.size, explained(row.figure));
  }
  const tag = (name) => (DATA.figures[name] || DATA.inputs[name]).tag;
  const cell = (row) => ({ text: row.size, shown: row.size, figure: row.figure });
  return {
    ...bars(rows, { unit: chart.unit, log: chart.log, title: "", height: 46 }, width, look),
    table: { head: ["Part", "Value", "Tag"], rows: rows.map((row) => [row.label, cell(row), tag(row.figure)]) },
  };
}

// Machines by one metric; `row.cell` is a machine's value.
function baselineChart(rows, item, width, look) {
  const known = rows.filter((row) => row.cell && Number.isFinite(row.cell.value) && row.cell.value > 0);
  const drawn = known.map((row) => {
    const { value, figure, note, tag } = row.cell, text = shown(value, item.unit);
    const why = figure ? explained(figure) : "<i>" + wrapped(note || "") + "</i><br>Tag: " + tag;
    return {
      label: row.short || row.name, value, text, colour: row.ours ? look.accent : look.soft,
      hover: hover(row.name, text, wrapped(row.basis) + "<br>" + why),
    };
  });
  return bars(drawn, { unit: item.unit, log: true, title: "logarithmic", height: 60 }, width, look);
}

// What each input does to a figure, from its value in the middle.
function tornadoChart(effects, item, mid, width, look) {
  const ends = effects.flatMap((e) => [e.atLow, e.atHigh]).filter(Number.isFinite).concat(mid);
  const most = Math.max(...ends), least = Math.min(...ends), log = least > 0 && most / least > 8;
  const pad = (most - least) * 0.08 || Math.abs(mid) * 0.1 || 1, floor = least >= 0 ? Math.max(0, least - pad) : least - pad;
  const [low, high] = log ? [least / 1.35, most * 1.35] : [floor, most + pad];
  const labels = effects.map((e) => e.label), inUnit = (e, x) => shown(x / e.scale, e.unit);
  const side = (name, input, result, colour) => ({
    type: "bar", orientation: "h", width: 0.62, y: effects.map((_, i) => i), base: effects.map(() => mid),
    x: effects.map((e) => (Number.isFinite(e[result]) ? e[result] : high) - mid), marker: { color: colour },
    customdata: effects.map((e) => {
      const text = name + ": " + inUnit(e, e[input]) + " gives " + shown(e[result], item.unit);
      return hover(e.label, "", text + "<br>" + explained(e.name));
    }),
    hovertemplate: "%{customdata}<extra></extra>",
  });
  const line = { type: "line", x0: mid, x1: mid, yref: "paper", y0: 0, y1: 1, line: { color: look.ink, width: 1.2 } };
  const row = (e) => [
    { text: e.label, shown: inUnit(e, e.now), figure: e.name }, between(e.low / e.scale, e.high / e.scale, e.unit),
    shown(e.atLow, item.unit), shown(e.atHigh, item.unit),
  ];
  return {
    traces: [side("low end", "low", "atLow", look.soft), side("high end", "high", "atHigh", look.accent)],
    layout: layout(look, 58 + 25 * Math.max(effects.length, 1), {
      barmode: "overlay", margin: { l: 8, r: 14, t: 6, b: 8 }, shapes: [line], yaxis: categories(labels, look, width),
      xaxis: axis(low, high, item.unit, log, width, look, { title: item.label, left: leftRoom(labels, width) }),
    }),
    key: [
      { label: "input at its low end", colour: look.soft, width: 11 },
      { label: "at its high end", colour: look.accent, width: 11 },
    ],
    table: { head: ["Input", "Range", item.label + " at low", "at high"], rows: effects.map(row) },
  };
}

/* ---------------------------------------------------------------- curves */

// Figures against an input; `points` have x and a result per line, `here` is where the settings stand.
function curveChart(chart, points, here, width, look) {
  const xs = points.map((point) => point.x);
  const lines = chart.lines.map((line, i) => ({
    ...line, i, colour: look.series[i % look.series.length],
    values: points.map((point) => point.results[i] / chart.line_scale),
  }));
  const seen = lines.flatMap((line) => line.values).filter((x) => Number.isFinite(x) && (!chart.log_lines || x > 0));
  const most = Math.max(...seen), least = Math.min(...seen);
  const [low, high] = chart.log_lines
    ? [least / 1.6, Math.max(most * 1.6, least * 8)] : [Math.min(0, least), most * 1.08 || 1];
  const told = (line, k) => {
    const value = shown(line.values[k], chart.line_unit);
    return hover(line.label, value, "at " + shown(xs[k], chart.unit) + "<br>" + explained(line.figure));
  };
  const traces = lines.map((line) => ({
    type: "scatter", mode: "lines", name: line.label, x: xs, y: line.values,
    line: { color: line.colour, width: line.i ? 2 : 3, dash: DASHES[line.i % DASHES.length] },
    customdata: xs.map((_, k) => told(line, k)), hovertemplate: "%{customdata}<extra></extra>",
  }));
  const mark = {
    type: "line", x0: here, x1: here, yref: "paper", y0: 0, y1: 1, line: { color: look.muted, width: 1, dash: "dot" },
  };
  const upright = { title: withUnit("", chart.line_unit).replace(/^, /, ""), upright: true };
  const sample = xs.map((_, k) => k).filter((k) => k % Math.ceil(xs.length / 8) === 0 || k === xs.length - 1);
  return {
    traces,
    layout: layout(look, 270, {
      hovermode: "closest", margin: { l: 8, r: 14, t: 10, b: 8 },
      shapes: here >= chart.low && here <= chart.high ? [mark] : [],
      xaxis: axis(chart.low, chart.high, chart.unit, chart.log, width, look, { title: withUnit(chart.label, chart.unit) }),
      yaxis: axis(low, high, chart.line_unit, chart.log_lines, 480, look, upright),
    }),
    key: lines.map((line) => ({
      label: line.label, colour: line.colour, width: line.i ? 2 : 3, dash: STROKES[line.i % STROKES.length],
    })),
    table: {
      head: [chart.label, ...lines.map((line) => ({ text: line.label, figure: line.figure }))],
      rows: sample.map((k) => [shown(xs[k], chart.unit), ...lines.map((line) => shown(line.values[k], chart.line_unit))]),
    },
  };
}
