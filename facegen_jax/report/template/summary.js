// Medians by setting: which keeps the person and shows the attribute.
function showSummary(list, names) {
  const found = settled(list, names);
  const rows = found.map(([, members]) => {
    const good = members.filter((run) => !failed(run));
    return [members[0], members.length, members.length - good.length, ...MEASURES.map((name) => median(good.map((run) => value(name, run))))];
  });
  const head = [["setting", ""], ["runs", "number"], ["failed", "number"], ...MEASURES.map((name) => [label(name), "number"])];
  byId("summary").replaceChildren(make("table", {},
    make("thead", {}, make("tr", {}, ...head.map(([text, kind]) => make("th", { scope: "col", class: kind }, text)))),
    make("tbody", {}, ...rows.map(([run, ...numbers]) => make("tr", {},
      make("th", { scope: "row" }, heading(run, names)),
      ...numbers.map((each) => make("td", { class: "number" }, number(each))),
    ))),
  ));
}
