// Runs as a table, sorted by clicks on its headings, and as a CSV file; failures with reasons.
let runsObserver = null;
// Runs without a name of their own are named by the reference.
const tableColumns = data.columns.filter(
  (column) => column.name !== "reference" || !columns.has("name"),
);

function showRuns(list, changed) {
  const heads = tableColumns.map((column) => makeHead(column, changed));
  const body = make("tbody");
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "image"), ...heads));
  runsObserver?.disconnect();
  byId("runs").replaceChildren(make("table", {}, head, body));
  runsObserver = appendInPages(byId("runs"), list, {
    size: 40, append: (page) => body.append(...page.map(makeRow)), what: "runs",
  });
}

function makeHead({ name, kind }, changed) {
  const sorted = order.name === name;
  const button = make("button", {
    type: "button", "data-column": name,
    onclick: () => {
      sortBy(name, sorted && !order.down);
      changed();
      byId("runs").querySelector(`[data-column="${CSS.escape(name)}"]`)?.focus();
    },
  }, label(name), sorted ? (order.down ? " ↓" : " ↑") : "");
  return make("th", {
    scope: "col", class: kind === "number" ? "number" : null,
    "aria-sort": sorted ? (order.down ? "descending" : "ascending") : null,
  }, button);
}

function makeRow(run) {
  const image = data.images[run] ? makeThumbnail(data.images[run], "") : "open";
  const open = make("button", {
    type: "button", class: "cell", "aria-label": `Open ${title(run)}`,
    onclick: () => openViewer(run),
  }, image);
  return make("tr", { "data-run": run }, make("td", {}, open), ...tableColumns.map((column) => {
    const full = String(value(column.name, run) ?? "");
    const attributes = {
      class: column.kind === "number" ? "number" : null, title: full.length > 30 ? full : null,
    };
    return make("td", attributes, valueText(column.name, run) || full);
  }));
}

function sortBy(name, down) {
  Object.assign(order, { name, down });
  byId("sort").value = name;
}

const quote = (cell) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function toCsv(list) {
  const names = data.columns.map((column) => column.name);
  const rows = list.map((run) => [
    data.ids[run], ...names.map((name) => String(value(name, run) ?? "")), data.images[run] ?? "",
  ]);
  return [["id", ...names, "image"], ...rows]
    .map((row) => `${row.map(quote).join(",")}\r\n`).join("");
}

function download(list) {
  const href = URL.createObjectURL(new Blob([toCsv(list)], { type: "text/csv" }));
  make("a", { href, download: "rows.csv" }).click();
  URL.revokeObjectURL(href);
}

function showFailures(list) {
  if (!byId("failure-list")) return;
  const heads = ["reference", "setting", "reason"];
  byId("failure-list").replaceChildren(make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...list.filter(failed).map((run) => make("tr", {},
      make("th", { scope: "row" },
        make("button", { type: "button", onclick: () => openViewer(run) }, referenceName(run))),
      make("td", {}, settingsText(run)),
      make("td", { class: "error" }, value("error", run) ?? "its image is missing"),
    ))),
  ));
}
