// The page: controls change what is selected, and everything shows the selection.
let shownRuns = [];
const across = document.querySelectorAll("[data-across]");

function update() {
  shownRuns = selected();
  const names = ways.get(across[0].value);
  byId("count").textContent = `${shownRuns.length} of ${runs.length} runs`;
  byId("direction").textContent = order.down ? "↓" : "↑";
  byId("direction").setAttribute("aria-label", order.down ? "Descending" : "Ascending");
  showSummary(shownRuns, names);
  showScatter(shownRuns, names);
  showFaces(shownRuns, names);
  showRuns(shownRuns, update);
  showFailures(shownRuns);
}

const option = (value, text = value) => make("option", { value }, text);

byId("sort").append(option("", "order of the runs"), ...data.columns.map((column) => option(column.name, label(column.name))));
for (const select of across) {
  select.append(...[...ways.keys()].map((each) => option(each)));
  select.addEventListener("change", () => {
    for (const other of across) other.value = select.value;
    update();
  });
}
byId("scatter-x").append(...metrics.map((each) => option(each, label(each))));
byId("scatter-y").append(...metrics.map((each) => option(each, label(each))));
byId("scatter-colour").append(option("", "by what is compared"), ...data.axes.map((each) => option(each, label(each))), option("-", "all alike"));
if (metrics.length) [byId("scatter-x").value, byId("scatter-y").value] = [KEEPS, SHOWS];
for (const id of ["scatter-x", "scatter-y", "scatter-colour", "scatter-baselines"]) byId(id)?.addEventListener("change", () => showScatter());

buildFilters(update);
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("search").addEventListener("input", update);
byId("sort").addEventListener("change", () => { sortBy(byId("sort").value, order.down); update(); });
byId("direction").addEventListener("click", () => { order.down = !order.down; update(); });
byId("clear").addEventListener("click", () => { clearFilters(); update(); });
byId("download").addEventListener("click", () => download(shownRuns));
byId("size").addEventListener("input", (event) => {
  event.target.dataset.chosen = true;
  resize(Number(event.target.value));
});

update();
const asked = data.ids.indexOf(location.hash.slice(1));
if (asked >= 0) openViewer(asked);
byId("unscripted").remove();
setTimeout(() => runs.forEach(haystack), 300);  // or the first search would wait for it
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) showScatter();
  width = innerWidth;
});
