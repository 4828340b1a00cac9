// Starts what the page at hand has use for; every page works without it, save previews and live tiles.
import { palette } from "./palette.js";
import { tables } from "./table.js";
import { editors } from "./editor.js";
import { previews } from "./preview.js";
import { live, times } from "./live.js";
import { dialogs } from "./dialog.js";
import { uploads } from "./upload.js";
import { searches } from "./search.js";
import { builders } from "./builder.js";

const theme = (name) => { name ? document.documentElement.setAttribute("data-theme", name) : document.documentElement.removeAttribute("data-theme"); };
document.querySelectorAll("[data-theme-switch]").forEach((button) => button.addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.getAttribute("data-theme") ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  theme(next);
}));
document.querySelectorAll("[data-menu]").forEach((button) => button.addEventListener("click", () => {
  const side = document.getElementById("side");
  button.setAttribute("aria-expanded", String(side.classList.toggle("open")));
  if (side.classList.contains("open")) side.querySelector("a")?.focus();
}));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") document.getElementById("side")?.classList.remove("open"); });
times(document);
document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(button.dataset.copy);
  button.querySelector("span").textContent = "Copied";
}));
document.querySelectorAll("[data-submit]").forEach((element) => element.addEventListener("change", () => element.form.requestSubmit()));
if (document.querySelector("[data-again]")) {
  const again = async () => { try { const answer = await fetch(location.href, { headers: { "X-Again": "1" } }); if (answer.status !== 503) { location.reload(); return; } } catch { /* still away */ } setTimeout(again, 1500); };
  setTimeout(again, 1500);
}
for (const start of [palette, tables, editors, previews, live, dialogs, uploads, searches, builders]) start();
