// Sorts what a table shows, and lets columns be hidden; the choice is kept a table.
export function tables(place = document) {
  place.querySelectorAll("table[data-table]").forEach((table) => {
    const name = `columns:${table.dataset.table}`, body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => {
      const button = head.querySelector("button");
      button?.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => { const cell = row.cells[index]; return cell?.dataset.value ?? cell?.textContent.trim() ?? ""; };
        const numeric = [...body.rows].every((row) => value(row) === "" || !isNaN(value(row)));
        const order = (a, b) => numeric ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b), undefined, { numeric: true });
        body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * order(a, b)));
      });
    });
    const hidden = new Set(JSON.parse(localStorage.getItem(name) ?? "[]"));
    const show = () => [table.tHead, body].forEach((part) => [...part.rows].forEach((row) => [...row.cells].forEach((cell, index) => { cell.hidden = hidden.has(heads[index]?.dataset.key); })));
    document.querySelectorAll(`[data-columns-of="${table.dataset.table}"] input`).forEach((box) => {
      box.checked = !hidden.has(box.value);
      box.addEventListener("change", () => { box.checked ? hidden.delete(box.value) : hidden.add(box.value); localStorage.setItem(name, JSON.stringify([...hidden])); show(); });
    });
    show();
  });
}
