// Twin of reports/cost_format.py.
const UNIT_NAMES = {
  mm2: "mm\u00b2", um2: "\u00b5m\u00b2", cm2: "cm\u00b2", um: "\u00b5m", us: "\u00b5s",
  Mtransistor: "M transistors", gpu: "GPU",
};
const COUNTED = ["token", "weight", "transistor", "sequence", "cycle", "chip", "wafer", "mask", "system", "gpu", "year"];
const METRIC = ["s", "W", "J", "Hz", "B"];
const PREFIXES = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""],
  [1e-3, "m"], [1e-6, "\u00b5"], [1e-9, "n"], [1e-12, "p"], [1e-15, "f"]];
const COUNTS = [[1e12, " T"], [1e9, " B"], [1e6, " M"]];
const YEAR = 31536000, DAY = 86400, HOUR = 3600;

function unitText(unit) {
  if (unit.startsWith("1/")) return "per " + unitText(unit.slice(2));
  return unit.replace("kW*h", "kWh").replace(/[()]/g, "").split("/").filter((part) => part !== "1")
    .map((part) => part.split("*").map((name) => UNIT_NAMES[name] || name).join("\u00b7")).join("/");
}

function rounded(value, digits) {
  return value === 0 ? 0 : Number(value.toPrecision(digits));
}

function number(value, digits) {
  const near = rounded(value, digits);
  if (near === 0) return "0";
  const sign = near < 0 ? "\u2212" : "", size = Math.abs(near);
  const [mantissa, power] = size.toExponential(digits - 1).split("e"), exponent = Number(power);
  if (!(exponent > -5 && exponent < 15)) return sign + mantissa + "e" + exponent;
  const decimals = Number.isInteger(size) ? 0 : digits - 1 - exponent;
  const [whole, rest] = size.toFixed(decimals).split(".");
  const behind = rest && digits > 3 ? rest.replace(/0+$/, "") : rest;
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? "." + behind : "");
}

function counted(value, digits) {
  const step = COUNTS.find(([scale]) => Math.abs(rounded(value, digits)) >= scale);
  return step ? number(value / step[0], digits) + step[1] : number(value, digits);
}

function metric(value, unit, digits) {
  const size = Math.abs(rounded(value, digits));
  const [scale, prefix] = PREFIXES.find(([least]) => size >= least) || (size ? PREFIXES.at(-1) : [1, ""]);
  return number(value / scale, digits) + " " + prefix + unit;
}

function shown(value, unit, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "n/a" : value > 0 ? "\u221e" : "\u2212\u221e";
  const at = unit.indexOf("/"), head = at < 0 ? unit : unit.slice(0, at), tail = at < 0 ? "" : unit.slice(at + 1);
  const size = Math.abs(value);
  if (unit === "USD/token") return "$" + number(value * 1e6, digits) + " per M tokens";
  if (head === "USD") {
    return (value < 0 ? "\u2212" : "") + "$" + counted(size, digits) + (at < 0 ? "" : " per " + unitText(tail));
  }
  if (unit === "s" && size >= 2 * DAY) {
    const [length, name] = size >= YEAR ? [YEAR, "years"] : [DAY, "days"];
    return number(value / length, digits) + " " + name;
  }
  if (unit === "J" && size >= 1e3 * HOUR) return metric(value / HOUR, "Wh", digits);
  if (unit === "kg" && size >= 1e3) return counted(value / 1e3, digits) + " t";
  const after = at < 0 ? "" : "/" + unitText(tail);
  if (head === "mm2" && size > 0 && size < 1e-3) return number(value * 1e6, digits) + " \u00b5m\u00b2" + after;
  if (unit === "1/s" && size > 0 && size < 1e-5) return number(value * YEAR, digits) + "/year";
  if (METRIC.includes(head)) return metric(value, head, digits) + after;
  if (COUNTED.includes(head) && at < 0 && Number.isInteger(value) && size < 1e6) digits = 6; // a count
  if (COUNTED.includes(head)) return counted(value, digits) + " " + unitText(head) + (value === 1 ? "" : "s") + after;
  if (head === "1") return counted(value, digits) + after;
  return counted(value, digits) + " " + unitText(unit);
}

function between(low, high, unit) {
  const first = shown(low, unit), last = shown(high, unit);
  if (first === last) return "";
  const cut = (text) => (text.includes(" ") ? text.slice(text.indexOf(" ") + 1) : "");
  let start = first;
  if (cut(first) && cut(first) === cut(last)) start = first.split(" ")[0];
  else if (last.includes(" ") && first.endsWith(last.slice(last.lastIndexOf(" ")))) {
    start = first.slice(0, first.lastIndexOf(" "));
  }
  return start + " \u2013 " + last;
}
