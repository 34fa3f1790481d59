// What the cost page shows: tiles, table, charts, explanations, from the state of cost_state.js.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => Array.from(root.querySelectorAll(selector));

/* ---------------------------------------------------------------- tiles */

// "$59.3 M" and "119 chips": the number large, what follows small.
function parted(text) {
  const at = text.indexOf(" ");
  if (at < 0) return escaped(text);
  return escaped(text.slice(0, at)) + ' <span class="u">' + escaped(text.slice(at + 1)) + "</span>";
}

// A unit that the tile's label says is not said again.
function unsaid(text, item) { return item.said && text.endsWith(item.said) ? text.slice(0, -item.said.length) : text; }

function ratio(value) {
  if (value > 0 && value < 0.1) return "1/" + number(1 / value, 2);
  return number(value, value >= 100 || value < 1 ? 2 : 3) + "\u00d7";
}

// How far a value is from where it started.
function moved(value, first, item) {
  const was = unsaid(shown(first, item.unit), item);
  if (was === unsaid(shown(value, item.unit), item)) return "";
  const times = first && Number.isFinite(value / first) ? ratio(value / first) : "1\u00d7";
  return times === "1\u00d7" ? "was " + was : times + " of " + was;
}

function stated(figure) { return figure.tag === "published" && figure.low === figure.high ? 6 : 3; }

function showTiles(results) {
  for (const item of DATA.headline) {
    const tile = $(`[data-tile="${item.key}"]`), value = results[item.figure] / item.scale;
    $(".value", tile).innerHTML = parted(unsaid(shown(value, item.unit), item));
    $(".value", tile).dataset.value = String(value);
    $(".delta", tile).textContent = isChanged() ? moved(value, DEFAULTS[item.figure] / item.scale, item) : "";
    const paper = DATA.paper[item.key], beside = $("[data-tip-paper]", tile);
    if (beside) beside.innerHTML = parted(unsaid(shown(paper.mid, paper.unit, stated(paper)), item));
  }
  const tile = $('[data-tile="bottleneck"]');
  if (!tile) return;
  const label = bottleneck(results), first = bottleneck(DEFAULTS), figure = DATA.resources[label];
  $(".value", tile).textContent = label;
  tile.dataset.time = shown(results[figure] / about(figure).scale, about(figure).unit);
  $(".range", tile).textContent = tile.dataset.time;
  $(".delta", tile).textContent = label === first ? "" : "was " + first;
}

// Settings under which the design cannot be built or used.
function showLimits(results) {
  const most = (item) => (typeof item.most === "string" ? results[item.most] : item.most);
  const broken = DATA.limits.filter((item) => !(results[item.figure] <= most(item) * (1 + 1e-9)));
  $("#limits").innerHTML = broken.map((item) => `<p>${escaped(item.text)}</p>`).join("");
}

/* ---------------------------------------------------------------- table of every figure and input */

const ROWS = $$("#all tbody tr").map((row) => ({
  row, name: row.dataset.name, kind: row.dataset.kind, value: $("td.n", row), range: $("td.range", row),
  tag: $(".tag", row), refs: $("td.refs", row), first: $("td.n", row).textContent,
  text: row.textContent.toLowerCase().replace(/_/g, " "),
}));

function showTable(results) {
  const fixed = pinned();
  for (const item of ROWS) {
    const { unit, scale, tag, sources } = about(item.name), text = shown(results[item.name] / scale, unit);
    if (item.value.textContent !== text) item.value.textContent = text;
    item.row.classList.toggle("moved", text !== item.first);
    if (item.kind === "input") {
      const own = fixed.has(item.name) ? "assumed" : tag;
      item.refs.textContent = fixed.has(item.name) ? "set by hand" : sources.map((i) => i + 1).join(", ");
      item.tag.className = "tag " + own;
      item.tag.textContent = own;
    }
  }
}

function showRanges(ranges) {
  for (const item of DATA.headline) {
    const range = rangeOf(item.figure, ranges), element = $(`[data-tile="${item.key}"] .range`);
    const [low, high] = range ? range.map((end) => end / item.scale) : [0, 0];
    element.textContent = range ? unsaid(between(low, high, item.unit), item) : "";
    element.dataset.low = range ? low : "";
    element.dataset.high = range ? high : "";
  }
  for (const row of ROWS) {
    const range = rangeOf(row.name, ranges), { scale, unit } = about(row.name);
    row.range.textContent = range ? between(range[0] / scale, range[1] / scale, unit) : "";
  }
}

function showShare(share) {
  const tile = $('[data-tile="bottleneck"]');
  $(".range", tile).textContent = tile.dataset.time + ", in " + percent(share) + " of draws";
}

function search() {
  const words = $("#search").value.toLowerCase().replace(/_/g, " ").split(/\s+/).filter(Boolean);
  const kind = $("#kind").value, fits = (item) => (!kind || item.kind === kind) && words.every((x) => item.text.includes(x));
  for (const item of ROWS) item.row.hidden = !fits(item);
  $("#found").textContent = ROWS.filter(fits).length + " of " + ROWS.length;
}

/* ---------------------------------------------------------------- charts */

// Charts have a fixed width; on paper the page's columns are these wide.
let printing = false;
function widthOf(root) {
  if (printing) return root.classList.contains("wide") ? 660 : 322;
  return $(".plot", root).clientWidth;
}

function sample(item) {
  const line = `<line x1="1" x2="25" y1="6" y2="6" stroke="${item.colour}" stroke-width="${item.width}"`;
  const stroke = `${line} stroke-dasharray="${item.dash || ""}"/>`;
  return `<span><svg width="26" height="12" aria-hidden="true">${stroke}</svg>${escaped(item.label)}</span>`;
}

// A figure that explains itself on hover and focus.
function figureSpan(figure, text, value) {
  const data = `data-tip-live="${escaped(figure)}" data-shown="${escaped(value)}"`;
  return `<span class="fig" tabindex="0" ${data}>${escaped(text)}</span>`;
}

function tableOf(table) {
  const plain = (cell) => (cell.figure ? cell.text : cell);
  const content = (cell) => (cell.figure ? figureSpan(cell.figure, cell.text, cell.shown || "") : escaped(cell));
  const right = (cell, i) => (i && !/^[a-z]+$/.test(plain(cell)) ? ' class="n"' : "");
  const line = (cells, tag) => cells.map((cell, i) => `<${tag}${right(cell, i)}>${content(cell)}</${tag}>`).join("");
  const rows = table.rows.map((cells) => `<tr>${line(cells, "td")}</tr>`).join("");
  return {
    html: `<table><thead><tr>${line(table.head, "th")}</tr></thead><tbody>${rows}</tbody></table>`,
    text: table.rows.slice(0, 12).map((cells) => cells.map(plain).join(" ")).join("; "),
  };
}

function draw(root, spec, title) {
  const plot = $(".plot", root), key = $(".key", root);
  spec.layout.width = widthOf(root);
  Plotly.react(plot, spec.traces, spec.layout, { displayModeBar: false, scrollZoom: false, doubleClick: false });
  if (key) key.innerHTML = (spec.key || []).map(sample).join("");
  if (!spec.table) return;
  const table = tableOf(spec.table);
  $("details .scroll", root).innerHTML = table.html;
  plot.setAttribute("aria-label", title + ": " + table.text);
}

function machineCell(row, item, ours) {
  const cell = row.cells[item.key];
  if (!cell) return '<td class="n muted none">\u2013</td>';
  const text = escaped(shown(cell.value, item.unit)), fixed = `${escaped(row.key)}|${escaped(item.key)}`;
  const value = cell.figure ? figureSpan(cell.figure, shown(cell.value, item.unit), shown(cell.value, item.unit))
    : `<span class="fig" tabindex="0" data-tip-fixed="${fixed}" data-shown="${text}">${text}</span>`;
  const beside = row.ours || !cell.value ? "" : `<div class="ratio">${ratio(ours[item.key].value / cell.value)}</div>`;
  return `<td class="n" data-label="${escaped(item.label)}">${value}${beside}</td>`;
}

function showBaselines(values, results, compared, look) {
  const root = $('[data-chart="baseline"]');
  if (!root) return;
  const rows = baselineRows(values, results), item = DATA.metrics.find((entry) => entry.key === compared);
  for (const row of rows) row.cell = row.cells[compared];
  draw(root, baselineChart(rows, item, widthOf(root), look), item.label);
  const told = rows.filter((row) => row.cell).map((row) => row.name + " " + shown(row.cell.value, item.unit));
  $(".plot", root).setAttribute("aria-label", item.label + ": " + told.join("; "));
  $("#baseline-table tbody").innerHTML = rows.map((row) => {
    const cells = DATA.metrics.map((entry) => machineCell(row, entry, rows[0].cells)).join("");
    const name = `<td>${escaped(row.name)}</td><td class="muted small">${escaped(row.basis)}</td>`;
    return `<tr${row.ours ? ' class="ours"' : ""}>${name}${cells}</tr>`;
  }).join("");
}

function showCharts(values, results, compared, effect) {
  const look = colours();
  for (const chart of DATA.charts) {
    const root = $(`[data-chart="${chart.key}"]`), width = widthOf(root);
    if (chart.kind === "curve") {
      const here = chart.inputs.reduce((all, name) => all + values[name], 0) / chart.scale;
      draw(root, curveChart(chart, curvePoints(chart, values), here, width, look), chart.title);
    } else draw(root, partsChart(chart, results, width, look), chart.title);
  }
  showBaselines(values, results, compared, look);
  const root = $('[data-chart="tornado"]');
  if (!root) return;
  const item = DATA.sensitivity.find((entry) => entry.key === effect), mid = results[item.figure] / item.scale;
  draw(root, tornadoChart(effectsOn(item, values), item, mid, widthOf(root), look), "Effect of each input on " + item.label);
}

/* ---------------------------------------------------------------- explanations, on hover and focus */

const TIP = $("#tip");
const TIPPED = "[data-tip-tile], [data-tip-paper], [data-tip-bottleneck], [data-tip-live], [data-tip-fixed]";
let tipped = null;

function tipHtml(title, value, figure, { range = "", note = figure.note || "input" } = {}) {
  const rows = [], sources = figure.sources.slice(0, 3).map((i) => short(DATA.sources[i], 160));
  const names = (figure.needs || []).map((name) => about(name).label).join(", ");
  if (figure.sources.length > 3) sources.push(`and ${figure.sources.length - 3} more, listed below`);
  if (range) rows.push(["Range", escaped(range)]);
  rows.push(["Tag", `<span class="tag ${figure.tag}">${figure.tag}</span>`], ["Formula", escaped(note)]);
  if (names) rows.push(["From", escaped(names)]);
  if (sources.length) rows.push(["Source", sources.map((text) => `<div>${escaped(text)}</div>`).join("")]);
  const list = rows.map(([name, html]) => `<dt>${name}</dt><dd>${html}</dd>`).join("");
  return `<b>${escaped(title)}</b> &nbsp;${escaped(value)}<dl>${list}</dl>`;
}

function tipFor(element) {
  const data = element.dataset, text = element.textContent;
  if (data.tipTile) {
    const item = DATA.headline.find((entry) => entry.key === data.tipTile);
    return tipHtml(item.label, text, about(item.figure), { range: $(`[data-tile="${item.key}"] .range`).textContent });
  }
  if (data.tipPaper) {
    const item = DATA.headline.find((entry) => entry.key === data.tipPaper), figure = DATA.paper[item.key];
    return tipHtml(item.label + ", paper mode", text, figure, { range: between(figure.low, figure.high, figure.unit) });
  }
  if (data.tipFixed) {
    const [key, metricKey] = data.tipFixed.split("|"), machine = baselineOf(key), figure = machine.metrics[metricKey];
    return tipHtml(machine.name, data.shown, figure, { range: between(figure.low, figure.high, figure.unit) });
  }
  if (data.tipLive) return tipHtml(about(data.tipLive).label, data.shown, about(data.tipLive));
  const figure = about(DATA.resources[text]), note = "the resource that a token waits for longest; " + figure.note;
  return tipHtml("Bottleneck: " + text, $('[data-tile="bottleneck"]').dataset.time, figure, { note });
}

function placeTip() {
  if (!tipped) return;
  const box = tipped.getBoundingClientRect(), own = TIP.getBoundingClientRect(), gap = 8, below = box.bottom + gap;
  const above = box.top - own.height - gap;
  TIP.style.left = Math.max(12, Math.min(box.left, innerWidth - own.width - 12)) + "px";
  TIP.style.top = (below + own.height < innerHeight || above < 0 ? below : above) + "px";
}

function showTip(element) {
  hideTip();
  TIP.innerHTML = tipFor(element);
  TIP.hidden = false;
  element.setAttribute("aria-describedby", "tip");
  tipped = element;
  placeTip();
}

function hideTip() {
  TIP.hidden = true;
  if (tipped) tipped.removeAttribute("aria-describedby");
  tipped = null;
}

function leaveTip(element) { if (element === tipped && element !== document.activeElement) hideTip(); }
