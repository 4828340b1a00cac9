// Shows only what has all words that are typed; opens what an address names. The page says everything without it.
const place = document.querySelector("[data-search]"), told = place.querySelector("[data-told]"), field = place.querySelector("input");
const groups = [...document.querySelectorAll("[data-group]")].map((group) => [group, [...group.querySelectorAll("[data-find]")]]);

function find() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const [group, entries] of groups) {
    const shown = entries.filter((one) => { one.hidden = !words.every((word) => one.dataset.find.includes(word)); return !one.hidden; });
    group.hidden = shown.length === 0;
    found += shown.length;
  }
  told.textContent = words.length ? (found ? `${found} found` : "Nothing has all of these words.") : "";
}

function open() {
  const wanted = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!wanted) return;
  // what is filtered away would not be seen
  if (wanted.closest("[hidden]")) { field.value = ""; find(); }
  const around = wanted.closest("details");
  if (around) { around.open = true; around.scrollIntoView(); }
}

place.hidden = false;
field.addEventListener("input", find);
addEventListener("hashchange", open);
open();
