// Makes the headings of tables buttons that sort. The page is complete without it.
"use strict";
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const numeric = heading.classList.contains("number") || heading.classList.contains("amount");
      const before = heading.getAttribute("aria-sort");
      const down = before ? before === "ascending" : numeric;
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        const text = cell.dataset.key ?? cell.textContent.trim();
        return numeric ? Number.parseFloat(text) : text;
      };
      const compare = (one, other) => {
        if (!numeric) return one.localeCompare(other, "en", { numeric: true });
        if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
        return one - other;
      };
      const rows = [...body.rows].map((row) => [key(row), row]);
      rows.sort((one, other) => {
        const unknown = numeric && (Number.isNaN(one[0]) || Number.isNaN(other[0]));
        return down && !unknown ? compare(other[0], one[0]) : compare(one[0], other[0]);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
