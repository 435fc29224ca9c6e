// Every run as a point: what it keeps against what it shows; a point opens its pictures.
const points = new Map();
const plotted = { list: [], names: [] };

function range(values, room = 0.06) {
  const [low, high] = extent(values);
  const spare = (high - low || Math.abs(high) || 1) * room;
  return [low - spare, high + spare];
}

function showScatter(list = plotted.list, names = plotted.names) {
  Object.assign(plotted, { list, names });
  const [x, y] = [byId("scatter-x").value, byId("scatter-y").value];
  const shown = list.filter((run) => value(x, run) !== null && value(y, run) !== null);
  byId("scatter").replaceChildren();
  points.clear();
  if (!shown.length) {
    byId("legend").replaceChildren();
    byId("scatter").append(make("p", {}, "No run has both numbers."));
    return;
  }
  const baselines = x === "identity_similarity" && data.baselines ? [["one person", data.baselines.genuine], ["two people", data.baselines.impostor]] : [];
  const all = shown.map((run) => value(x, run)), seen = byId("scatter-baselines")?.checked ? baselines.map(([, at]) => at) : [];
  const [width, height] = [Math.max(280, byId("scatter").clientWidth), 380];
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": `${shown.length} runs, ${label(x)} across, ${label(y)} up; arrow keys go from point to point` });
  const plot = frame(svg, { width, height, x: range([...all, ...seen]), y: range(shown.map((run) => value(y, run))), names: [label(x), label(y)] });
  showBaselines(svg, plot, baselines);
  showPoints(svg, plot, shown, x, y, names);
  byId("scatter").append(svg);
}

// Lines where they are in view, words at the edge where they are beyond it.
function showBaselines(svg, { across, left, right, top, bottom }, baselines) {
  let beyond = 0;
  for (const [name, at] of baselines) {
    const where = across(at), text = `${name} ${at}`;
    if (where >= left && where <= right) {
      svg.append(draw("line", { class: "anchor", x1: where, x2: where, y1: top, y2: bottom }));
      svg.append(draw("text", { class: "anchor-name", x: where + (where > (left + right) / 2 ? -5 : 5), y: bottom - 8, "text-anchor": where > (left + right) / 2 ? "end" : "start" }, text));
    } else svg.append(draw("text", { class: "anchor-name", x: left + 6, y: bottom - 8 - 16 * beyond++ }, `← ${text}`));
  }
}

function showPoints(svg, { across, up }, shown, x, y, names) {
  const by = byId("scatter-colour").value === "" ? names : byId("scatter-colour").value === "-" ? [] : [byId("scatter-colour").value];
  const groups = settled(shown, by);
  const few = groups.length <= COLOURS.length;
  const medians = [];
  groups.forEach(([, members], place) => {
    const fill = COLOURS[few ? place : 0];
    for (const run of members) {
      const point = draw("circle", { class: "point", cx: across(value(x, run)), cy: up(value(y, run)), r: shown.length > 500 ? 3.5 : 5, fill, "fill-opacity": 0.75, tabindex: -1, "data-run": run });
      points.set(run, point);
      svg.append(point);
    }
    const [a, b] = [x, y].map((name) => median(members.map((run) => value(name, run))));
    if (few && members.length > 2) medians.push(draw("path", { class: "median", fill, d: `M${across(a)} ${up(b)}m0-9l9 9l-9 9l-9-9z` }));
  });
  svg.append(...medians);
  const named = few && groups.length > 1 ? groups.map(([, members], place) => [heading(members[0], by), COLOURS[place]]) : [];
  byId("legend").replaceChildren(...legend(named), ...(medians.length ? [make("li", {}, "◆ median")] : []));
  listen(svg, (run) => `${title(run)}: ${label(x)} ${written(x, run)}, ${label(y)} ${written(y, run)}`, shown.toSorted((a, b) => value(x, a) - value(x, b)));
}

function listen(svg, about, sorted) {
  const of = (event) => event.target.dataset.run === undefined ? null : Number(event.target.dataset.run);
  const enter = (run) => filled(points.get(run), { tabindex: 0, role: "button", "aria-label": about(run) }, []);  // the one that the tab key comes to
  enter(sorted[0]);
  svg.addEventListener("click", (event) => of(event) !== null && openViewer(of(event)));
  svg.addEventListener("pointermove", (event) => showTip(of(event), event.clientX, event.clientY));
  svg.addEventListener("pointerleave", () => showTip(null));
  svg.addEventListener("focusin", (event) => {
    const box = event.target.getBoundingClientRect();
    if (event.target.matches(":focus-visible")) showTip(of(event), box.right, box.bottom);
  });
  svg.addEventListener("focusout", () => showTip(null));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (of(event) === null) return;
    if (event.key === "Enter" || event.key === " ") openViewer(of(event));
    else if (!step) return;
    const next = sorted[sorted.indexOf(of(event)) + (step ?? 0)];
    event.preventDefault();
    if (next === undefined || !step) return;
    event.target.setAttribute("tabindex", -1);
    enter(next).focus();
  });
}

function showTip(run, x = 0, y = 0) {
  const tip = byId("tip");
  tip.hidden = run === null;
  if (run === null) return;
  if (tip.dataset.run !== String(run)) tip.replaceChildren(...[data.images[run] && picture(data.images[run], ""), make("div", {}, title(run)), make("div", {}, MEASURES.map((name) => `${label(name)} ${written(name, run)}`).join(", "))].filter(Boolean));
  tip.dataset.run = run;
  tip.style.left = `${Math.min(x + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(y + 14, innerHeight - tip.offsetHeight - 8)}px`;
}
