// The page: controls change the selection, and every section shows it.
let shownRuns = [];
const groupingSelects = document.querySelectorAll("[data-grouping]");

function update() {
  shownRuns = selectRuns();
  const names = groupings.get(groupingSelects[0].value);
  byId("count").textContent = `${shownRuns.length} of ${runs.length} runs`;
  byId("direction").textContent = order.down ? "↓" : "↑";
  byId("direction").setAttribute("aria-label", order.down ? "Descending" : "Ascending");
  showSummary(shownRuns, names);
  showScatter(shownRuns, names);
  showFaces(shownRuns, names);
  showRuns(shownRuns, update);
  showFailures(shownRuns);
}

function buildSelects() {
  const option = (value, text = label(value)) => make("option", { value }, text);
  const options = (names) => names.map((name) => option(name));
  byId("sort").append(
    option("", "order of the runs"), ...options(data.columns.map((column) => column.name)),
  );
  for (const select of groupingSelects) {
    select.append(...[...groupings.keys()].map((each) => option(each, each)));
    select.addEventListener("change", () => {
      for (const other of groupingSelects) other.value = select.value;
      update();
    });
  }
  byId("scatter-x").append(...options(numeric));
  byId("scatter-y").append(...options(numeric));
  if (numeric.length) [byId("scatter-x").value, byId("scatter-y").value] = [IDENTITY, ATTRIBUTE];
  byId("scatter-colour").append(
    option("", "as compared"), ...options(data.axes), option("-", "one colour"),
  );
  for (const id of ["scatter-x", "scatter-y", "scatter-colour", "scatter-baselines"]) {
    byId(id)?.addEventListener("change", () => showScatter());
  }
}

function listenToControls() {
  const on = (id, type, action) => byId(id).addEventListener(type, (event) => {
    action(event);
    update();
  });
  on("search", "input", () => {});
  on("sort", "change", () => sortBy(byId("sort").value, order.down));
  on("direction", "click", () => { order.down = !order.down; });
  on("clear", "click", clearFilters);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("download").addEventListener("click", () => download(shownRuns));
  byId("size").addEventListener("input", ({ target }) => {
    target.dataset.chosen = true;
    resizeFaces(Number(target.value));
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) showScatter();
    width = innerWidth;
  });
}

buildSelects();
buildFilters(update);
listenToControls();
update();
byId("no-script").remove();
const linked = data.ids.indexOf(location.hash.slice(1));
if (linked >= 0) openViewer(linked);
setTimeout(() => runs.forEach(searchText), 300);  // so that the first search need not wait
