// The command palette: Ctrl-K or Cmd-K, words, arrows, Enter; what is no page is looked up among people, items and documents.
export function palette() {
  const dialog = document.querySelector("dialog.palette");
  if (!dialog) return;
  const input = dialog.querySelector("input"), links = [...dialog.querySelectorAll("a")];
  const finds = links.filter((link) => link.dataset.find);
  let shown = links, at = 0;
  const mark = () => { links.forEach((link) => link.classList.remove("on")); shown[at]?.classList.add("on"); shown[at]?.scrollIntoView({ block: "nearest" }); };
  const narrow = () => {
    const words = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    shown = links.filter((link) => {
      const fits = link.dataset.find ? words.length > 0 : words.every((word) => link.dataset.words.includes(word));
      link.parentElement.hidden = !fits;
      return fits;
    });
    finds.forEach((link) => { link.href = link.dataset.find + encodeURIComponent(input.value.trim()); link.querySelector("b").textContent = input.value.trim(); });
    at = 0; mark();
  };
  const open = () => { dialog.showModal(); input.value = ""; narrow(); input.focus(); };
  document.addEventListener("keydown", (event) => { if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); dialog.open ? dialog.close() : open(); } });
  document.querySelectorAll("[data-palette]").forEach((button) => button.addEventListener("click", open));
  input.addEventListener("input", narrow);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); at = (at + (event.key === "ArrowDown" ? 1 : shown.length - 1)) % Math.max(1, shown.length); mark(); }
    if (event.key === "Enter") { event.preventDefault(); shown[at]?.click(); }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
