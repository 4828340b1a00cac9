// Builds a condition: rows and their text beside, each following the other a moment after it was changed, with how many people it is.
// All scripts are served beside one another, whatever folder they are in.
import { ask } from "./ask.js";
import { MODES, NO_VALUE, comparisons, document as told, read } from "./spelling.js";

const DEEPEST = 3;
let lists = 0;

function make(tag, values = {}, ...inside) {
  const made = document.createElement(tag);
  Object.entries(values).forEach(([name, value]) => { if (name in made && name !== "list" && name !== "form") made[name] = value; else made.setAttribute(name, value); });
  made.append(...inside);
  return made;
}

function choices(select, options, chosen) {
  select.replaceChildren(...Object.entries(options).map(([value, text]) => make("option", { value, textContent: text })));
  select.value = chosen in options ? chosen : Object.keys(options)[0] ?? "";
}

function datalist(values) {
  const made = make("datalist", { id: `words${++lists}` });
  made.append(...values.map(([value, label]) => make("option", { value, label })));
  return made;
}

function rowOf(kit, row) {
  const { facts, keys } = kit;
  const box = make("li", { className: "condition-row" }), problem = make("span", { className: "problem", role: "alert" });
  const gone = make("button", { type: "button", className: "btn plain icon-only", textContent: "×", ariaLabel: "Remove this condition" });
  gone.addEventListener("click", () => { const next = box.parentElement.parentElement.querySelector(":scope > .row button"); box.remove(); next?.focus(); kit.changed(); });
  if (row.text !== undefined) {
    const text = make("input", { value: row.text, ariaLabel: "Condition as text", spellcheck: false, className: "condition" });
    box.append(text, gone, problem);
    box.told = () => text.value;
    box.ready = () => Boolean(text.value.trim());
    return box;
  }
  const fact = make("input", { value: row.name, ariaLabel: "Fact", placeholder: "Fact, such as orders", autocomplete: "off", spellcheck: false, list: kit.list });
  const words = make("datalist", { id: `words${++lists}` });
  const key = make("input", { value: row.key, autocomplete: "off", list: words.id });
  const window = make("select", { ariaLabel: "In what time" }), op = make("select", { ariaLabel: "Comparison" });
  const value = make("input", { value: row.value, ariaLabel: "Value", autocomplete: "off", placeholder: "Value" });
  const values = make("datalist", { id: `words${++lists}` });
  const sentence = make("span", { className: "help" });
  const show = () => {
    const one = facts.get(fact.value.trim());
    key.hidden = !one?.keys;
    key.ariaLabel = one?.keys ? one.keys[0].toUpperCase() + one.keys.slice(1) : "Key";
    key.placeholder = key.ariaLabel;
    words.replaceChildren(...(keys[one?.keys] ?? (one?.keys ? one.values : [])).map((text) => make("option", { value: text })));
    window.hidden = !one?.windows.length;
    choices(window, { "": "ever", ...Object.fromEntries((one?.windows ?? []).map((name) => [name, `in ${name}`])) }, window.value);
    choices(op, comparisons(one), op.value);
    value.hidden = NO_VALUE.has(op.value);
    value.inputMode = one?.type === "number" ? "decimal" : "text";
    value.placeholder = op.value.endsWith("in") ? "One; another" : one?.unit || "Value";
    values.replaceChildren(...(one && !one.keys ? one.values : []).map((text) => make("option", { value: text })));
    sentence.textContent = one?.sentence ?? (fact.value ? "There is no such fact." : "");
  };
  choices(window, { [row.window]: "" }, row.window);
  choices(op, { [row.op]: "" }, row.op);
  value.setAttribute("list", values.id);
  box.append(fact, key, window, op, value, gone, words, values, sentence, problem);
  box.addEventListener("input", show);
  show();
  box.now = () => ({ name: fact.value.trim(), key: key.hidden ? "" : key.value.trim(), window: window.hidden ? "" : window.value, op: op.value, value: value.hidden ? "" : value.value });
  box.told = () => told(box.now(), facts.get(fact.value.trim()));
  // how what is wrong names it
  box.names = () => { const { name, key, window } = box.now(), end = window && `.${window}`; return key ? [`${name}[${JSON.stringify(key)}]${end}`, `${name}[${key}]${end}`, `${name}.${key}${end}`] : [name + end]; };
  box.ready = () => facts.has(fact.value.trim()) && (key.hidden || Boolean(key.value.trim())) && (value.hidden || Boolean(value.value.trim()));
  return box;
}

function groupOf(kit, { mode, parts }, depth) {
  const choose = make("select", { ariaLabel: "How they are joined", className: "fit" });
  choices(choose, MODES, mode);
  const list = make("ol", { className: "condition-rows" }), buttons = make("div", { className: "row" });
  const add = (made) => { list.append(made); (made.querySelector("input, select")).focus(); kit.changed(); };
  const button = (text, press) => { const made = make("button", { type: "button", className: "btn", textContent: text }); made.addEventListener("click", press); buttons.append(made); };
  button("Add a condition", () => add(rowOf(kit, kit.empty())));
  if (depth < DEEPEST) button("Add a group", () => add(make("li", {}, groupOf(kit, { mode: "any", parts: [] }, depth + 1))));
  const box = make("fieldset", { className: "group" }, make("legend", {}, choose), list, buttons);
  if (depth > 1) button("Remove the group", () => { const item = box.parentElement, next = item.parentElement.parentElement.querySelector(":scope > .row button"); item.remove(); next?.focus(); kit.changed(); });
  parts.forEach((one) => { const part = read(one, kit.facts); list.append(part.mode ? make("li", {}, groupOf(kit, part, depth + 1)) : rowOf(kit, part)); });
  if (!parts.length) list.append(rowOf(kit, kit.empty()));
  box.items = () => [...list.children].map((item) => item.told ? item : item.firstElementChild);
  box.told = () => {
    const negated = { none: "any", "not all": "all" }[choose.value], inside = box.items().map((item) => item.told());
    return negated ? { not: { [negated]: inside } } : { [choose.value]: inside };
  };
  box.ready = () => box.items().length > 0 && box.items().every((item) => item.ready());
  box.rows = () => box.items().flatMap((item) => item.rows ? item.rows() : [item]);
  // the row at a place such as all.0.not.any.1.value
  box.at = (place) => {
    const found = /^(?:not\.)?(?:all|any)\.(\d+)(?:\.(.*))?$/.exec(place);
    const item = found && box.items()[Number(found[1])];
    return item?.at ? item.at(found[2] ?? "") : item ?? null;
  };
  return box;
}

function builder(place) {
  const form = place.closest("form"), box = place.querySelector("[data-rows]"), text = place.querySelector("#when"), ahead = place.querySelector("[name=document]");
  const wrong = place.querySelector("[data-wrong]"), size = place.querySelector("[data-told]");
  const facts = new Map(JSON.parse(place.dataset.facts).map((one) => [one.name, one]));
  const names = datalist([...facts.values()].map((one) => [one.name, one.sentence]));
  let root, timer, running;
  const kit = { facts, keys: JSON.parse(place.dataset.keys), list: names.id, empty: () => ({ name: "", key: "", window: "", op: ">=", value: "" }), changed: () => rowsChanged() };
  const draw = (document) => {
    const part = document === null ? { mode: "all", parts: [] } : read(document, facts);
    root = groupOf(kit, part.mode ? part : { mode: "all", parts: [document] }, 1);
    box.replaceChildren(root);
  };
  const clear = () => { wrong.textContent = ""; text.removeAttribute("aria-invalid"); box.querySelectorAll(".problem").forEach((one) => { one.textContent = ""; }); box.querySelectorAll("[aria-invalid]").forEach((one) => one.removeAttribute("aria-invalid")); };
  const say = (lines, kind = "info") => { size.hidden = !lines.length; size.className = `note ${kind}`; size.replaceChildren(make("div", {}, ...lines.map((line) => make("p", { textContent: line })))); };
  const problems = (found, fromRows) => {
    found.forEach((one) => {
      const named = () => root.rows().find((row) => row.names?.().some((name) => one.message.startsWith(`${name} `)));
      const row = fromRows ? (one.place ? root.at(one.place) : named()) : null;
      const where = row?.querySelector(".problem") ?? wrong;
      where.textContent = one.character && !row ? `At character ${one.character}: ${one.message}` : one.message;
      (row?.querySelector("input") ?? (fromRows ? null : text))?.setAttribute("aria-invalid", "true");
    });
    say([]);
  };
  const look = async (fromRows) => {
    running?.abort();
    running = new AbortController();
    const body = new FormData();
    body.set(fromRows ? "document" : "when", fromRows ? ahead.value : text.value);
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await ask(place.dataset.estimate, { method: "POST", body, signal: running.signal });
      const found = await answer.json();
      clear();
      if (found.problems) problems(found.problems, fromRows);
      else {
        if (fromRows) { text.value = found.when; ahead.value = ""; } else draw(found.document);
        say([found.told, found.sentence, ...(found.warning ? [`Of little use: ${found.warning}.`] : [])], found.warning ? "warn" : "info");
        form.dispatchEvent(new Event("input"));
      }
    } catch { /* told by ask, or replaced by a newer one */ }
    place.removeAttribute("aria-busy");
  };
  const soon = (fromRows) => { clearTimeout(timer); timer = setTimeout(() => look(fromRows), 350); };
  const rowsChanged = () => {
    clear();
    running?.abort();
    // kept until the text follows: what is sent meanwhile, or kept as a draft, is what the rows say
    ahead.value = JSON.stringify(root.told());
    form.dispatchEvent(new Event("input"));
    if (root.ready()) soon(true); else { clearTimeout(timer); say(["Fill in every row to see how many people it is."]); }
  };
  box.addEventListener("input", rowsChanged);
  text.addEventListener("input", () => {
    ahead.value = "";
    running?.abort();
    if (text.value.trim()) soon(false); else { clearTimeout(timer); clear(); say([]); draw(null); }
  });
  // a kept draft may hold rows that its text does not follow yet
  form.addEventListener("taken", (event) => { const kept = event.detail; if (kept) setTimeout(() => { clearTimeout(timer); ahead.value = kept; draw(JSON.parse(kept)); rowsChanged(); }); });
  place.append(names);
  box.hidden = false;
  if (ahead.value) { draw(JSON.parse(ahead.value)); if (root.ready()) look(true); } else { draw(null); if (text.value.trim()) look(false); }
}

export const builders = () => document.querySelectorAll("[data-builder]").forEach(builder);
