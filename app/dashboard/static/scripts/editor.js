// Text with line numbers; what was written is kept in the browser until it is saved, whatever becomes of session or server.
const storage = (form) => `draft:${location.pathname}:${form.dataset.draft}`;

function numbers(area, list, bad) {
  const count = area.value.split("\n").length;
  if (list.childElementCount !== count || bad) {
    list.replaceChildren(...Array.from({ length: count }, (_, index) => { const line = document.createElement("li"); line.textContent = index + 1; if (bad?.has(index + 1)) line.className = "bad"; return line; }));
  }
  list.scrollTop = area.scrollTop;
}

export function editors() {
  document.querySelectorAll(".editor").forEach((box) => {
    const area = box.querySelector("textarea"), list = box.querySelector("ol");
    const bad = new Set((box.dataset.bad ?? "").split(",").filter(Boolean).map(Number));
    numbers(area, list, bad);
    area.addEventListener("input", () => numbers(area, list));
    area.addEventListener("scroll", () => { list.scrollTop = area.scrollTop; });
    area.addEventListener("keydown", (event) => {
      // Escape first, then Tab leaves the field: nobody is caught in it
      if (event.key === "Escape") { area.dataset.leave = "1"; return; }
      if (event.key === "Tab" && !event.shiftKey && !area.dataset.leave) { event.preventDefault(); area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end"); area.dispatchEvent(new Event("input", { bubbles: true })); }
      if (event.key !== "Tab") delete area.dataset.leave;
    });
    document.querySelectorAll("[data-line]").forEach((link) => link.addEventListener("click", (event) => {
      event.preventDefault();
      const start = area.value.split("\n").slice(0, Number(link.dataset.line) - 1).join("\n").length;
      area.focus(); area.setSelectionRange(start, start + 1); area.scrollTop = (Number(link.dataset.line) - 4) * 20;
    }));
  });
  document.querySelectorAll("form[data-draft]").forEach((form) => {
    const kept = localStorage.getItem(storage(form)), offer = form.querySelector("[data-restore]");
    const values = () => JSON.stringify([...new FormData(form)].filter(([name, value]) => name !== "csrf" && typeof value === "string"));
    const first = values();
    if (kept && kept !== first && offer) {
      offer.hidden = false;
      offer.querySelector("[data-take]").addEventListener("click", () => {
        const entries = JSON.parse(kept);
        [...form.elements].forEach((field) => {
          if (!field.name || field.name === "csrf" || field.type === "hidden") return;
          const mine = entries.filter(([name]) => name === field.name).map(([, value]) => value);
          if (field.type === "checkbox" || field.type === "radio") field.checked = mine.includes(field.value); else if (mine.length) field.value = mine[0];
        });
        form.dispatchEvent(new CustomEvent("taken", { detail: entries.find(([name]) => name === "document")?.[1] ?? "" }));
        form.querySelectorAll("textarea").forEach((area) => area.dispatchEvent(new Event("input", { bubbles: true })));
        form.dispatchEvent(new Event("input", { bubbles: true }));
        offer.hidden = true;
      });
      offer.querySelector("[data-drop]").addEventListener("click", () => { localStorage.removeItem(storage(form)); offer.hidden = true; });
    }
    form.addEventListener("input", () => { const now = values(); now === first ? localStorage.removeItem(storage(form)) : localStorage.setItem(storage(form), now); });
    if (form.dataset.saved) localStorage.removeItem(storage(form));
  });
  document.querySelectorAll("[data-forget]").forEach((element) => localStorage.removeItem(`draft:${element.dataset.forget}`));
}
