// The overview of many clips: sorts by a column, filters by text, label and note. Without it the
// table is there all the same, in the order of the clips.
(() => {
  "use strict";
  const table = document.querySelector(".overview table"), tools = document.querySelector(".tools");
  if (!table || !tools) return;
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const text = (row, at) => row.cells[at].textContent.trim();
  const value = (row, at) => (row.cells[at].dataset.value === undefined ? text(row, at) : row.cells[at].dataset.value);

  function sort(at) {
    const down = heads[at].getAttribute("aria-sort") === "ascending";
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[at].setAttribute("aria-sort", down ? "descending" : "ascending");
    const order = (one, other) => {
      const [a, b] = [value(one, at), value(other, at)];
      if (!a || !b) return (!a) - (!b); // what is missing stands last, either way
      return (down ? -1 : 1) * compare(a, b);
    };
    body.append(...rows.sort(order));
  }

  function filter() {
    const { words, label, noted } = tools.elements, wanted = words.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = row.textContent.toLowerCase().includes(wanted)
        && (!label.value || JSON.parse(row.dataset.labels).includes(label.value))
        && (!noted.checked || text(row, row.cells.length - 1) !== "");
      row.hidden = !fits;
      const clip = document.getElementById(row.dataset.clip);
      if (clip) clip.closest(".clip").hidden = !fits;
      count += fits;
    }
    tools.querySelector("output").textContent = `${count} of ${rows.length} clips`;
  }

  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(at));
    head.append(button);
  });
  tools.addEventListener("input", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());
  table.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const clip = link && document.getElementById(link.hash.slice(1));
    if (clip && clip.closest("details")) clip.closest("details").open = true;
  });
  tools.hidden = false;
  filter();
})();
