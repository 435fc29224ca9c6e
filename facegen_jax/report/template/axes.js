// Axes of plots: scales, ticks at round numbers, frames, legends.

// Distinguishable with colour blindness; the figures use the same.
const COLOURS = [
  "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3ba3d0", "#8f5bd1", "#7a7a7a",
];

// About `count` multiples of 1, 2 or 5 times a power of ten.
function ticks(low, high, count) {
  const rough = (high - low || 1) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, nth) => (first + nth) * step);
}

// At most `count` powers of ten.
function powers(low, high, count) {
  const exponents = Array.from({ length: 40 }, (_, nth) => nth - 20)
    .filter((exponent) => 10 ** exponent >= low && 10 ** exponent <= high);
  const every = Math.ceil(exponents.length / count);
  return exponents.filter((each) => each % every === 0).map((each) => Number(`1e${each}`));
}

// A function from values in [low, high] to pixels in [from, to].
function makeScale([low, high], from, to, logarithmic = false) {
  const transform = logarithmic ? Math.log10 : (each) => each;
  const start = transform(low), length = transform(high) - start || 1;
  return (each) => from + ((transform(each) - start) / length) * (to - from);
}

// Draw grid lines, ticks and axis names; return both scales and the sides of the frame.
function drawFrame(svg, { width, height, x, y, names, logarithmic = false }) {
  const [left, right, top, bottom] = [64, width - 12, 10, height - 40];
  const toX = makeScale(x, left, right), toY = makeScale(y, bottom, top, logarithmic);
  const line = (ends) => svg.append(makeSvg("line", { class: "axis", ...ends }));
  const text = (content, attributes) => svg.append(makeSvg("text", attributes, content));
  for (const each of ticks(...x, Math.max(2, width / 110))) {
    line({ x1: toX(each), x2: toX(each), y1: top, y2: bottom });
    text(formatNumber(each), { x: toX(each), y: bottom + 16, "text-anchor": "middle" });
  }
  const decades = logarithmic ? powers(...y, height / 45) : [];
  for (const each of decades.length > 1 ? decades : ticks(...y, height / 60)) {
    line({ x1: left, x2: right, y1: toY(each), y2: toY(each) });
    text(formatNumber(each), { x: left - 6, y: toY(each) + 4, "text-anchor": "end" });
  }
  text(names[0], { x: right, y: height - 6, "text-anchor": "end" });
  text(names[1], { x: 14, y: top, "text-anchor": "end", transform: `rotate(-90 14 ${top})` });
  return { toX, toY, left, right, top, bottom };
}

const legendItems = (entries) => entries.map(([text, colour]) => {
  const swatch = make("i");
  swatch.style.background = colour;
  return make("li", {}, swatch, text);
});
