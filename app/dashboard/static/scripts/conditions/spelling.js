// Conditions as documents, and as rows that people fill in: each from the other.
const NUMERIC = { ">=": "is at least", ">": "is more than", "<=": "is at most", "<": "is less than", "=": "is", "!=": "is not" };
const WORDS = { "=": "is", "!=": "is not", in: "is one of", not_in: "is none of", contains: "contains" };
const KNOWN = { known: "is known", unknown: "is not known" };
export const MODES = { all: "all of these hold", any: "one of these holds", none: "none of these holds", "not all": "not all of these hold" };
export const NO_VALUE = new Set(["known", "unknown", "yes", "no"]);

export function comparisons(fact) {
  if (!fact || fact.type === "any") return { ...NUMERIC, in: WORDS.in, not_in: WORDS.not_in, contains: WORDS.contains, yes: "is true", no: "is not true", ...KNOWN };
  if (fact.type === "number" || fact.type === "moment") return { ...NUMERIC, in: WORDS.in, not_in: WORDS.not_in, ...KNOWN };
  if (fact.type === "flag") return fact.keys === "segment" ? { yes: "is in it", no: "is not in it" } : { yes: "yes", no: "no", ...KNOWN };
  return fact.type === "set" ? { contains: "contains", ...KNOWN } : { ...WORDS, ...KNOWN };
}

// "views.category[\"Women > Dresses\"].24h" is views.category, Women > Dresses, 24h; null for what is no single fact
export function parted(spelled, facts) {
  const found = /^([A-Za-z_][\w.]*?)(?:\[("(?:[^"\\]|\\.)*"|[A-Za-z_]\w*)\])?(?:\.(\d+[hd]))?$/.exec(spelled);
  if (!found) return null;
  let [, name, key = "", window = ""] = found;
  if (key.startsWith('"')) { try { key = JSON.parse(key); } catch { return null; } }
  if (!key && !facts.has(name)) {
    for (let cut = name.lastIndexOf("."); cut > 0 && !key; cut = name.lastIndexOf(".", cut - 1)) {
      if (facts.get(name.slice(0, cut))?.keys) { key = name.slice(cut + 1); name = name.slice(0, cut); }
    }
  }
  return facts.has(name) ? { name, key, window } : null;
}

export const spelled = ({ name, key, window }) => name + (key ? `[${JSON.stringify(key)}]` : "") + (window ? `.${window}` : "");

const literal = (value) => typeof value === "string" ? JSON.stringify(value) : String(value);

// what is written in a field, as the fact's type takes it; a text in quotes is one whatever it holds
export function value(text, fact) {
  const plain = text.trim();
  if (/^".*"$/.test(plain)) return plain.slice(1, -1);
  if (fact?.type === "text" || fact?.type === "set") return plain;
  const share = /^(-?[\d.,]+)\s*%$/.exec(plain);
  const number = Number((share?.[1] ?? plain).replace(",", "."));
  if (plain && !isNaN(number)) return share ? Number((number / 100).toPrecision(12)) : number;
  return fact?.type === "any" && /^(true|false)$/.test(plain) ? plain === "true" : plain;
}

export function written(value, fact) {
  if (typeof value !== "string") return String(value);
  const asIs = fact?.type === "text" || fact?.type === "set" || (isNaN(Number(value.replace(",", "."))) && !/^(true|false)$|%$|^".*"$/.test(value));
  return asIs && value.trim() === value ? value : `"${value}"`;
}

export function document(row, fact) {
  if (row.text !== undefined) return row.text;
  const name = spelled(row);
  if (row.op === "known") return { known: name };
  if (row.op === "unknown") return { not: { known: name } };
  if (row.op === "yes") return { holds: name };
  if (row.op === "no") return { not: { holds: name } };
  if (row.op === "in" || row.op === "not_in") return { fact: name, [row.op]: row.value.split(/\s*;\s*/).filter((one) => one.trim()).map((one) => value(one, fact)) };
  if (row.op === "contains") return { fact: name, contains: value(row.value, fact) };
  return { fact: name, is: row.op, value: value(row.value, fact) };
}

// a document as a row, or as a group {mode, parts}
export function read(one, facts) {
  if (typeof one === "string") return { text: one };
  if (one.all) return { mode: "all", parts: one.all };
  if (one.any) return { mode: "any", parts: one.any };
  if (one.not?.any) return { mode: "none", parts: one.not.any };
  if (one.not?.all) return { mode: "not all", parts: one.not.all };
  const ops = [["known", one.known], ["unknown", one.not?.known], ["yes", one.holds], ["no", one.not?.holds]];
  const [op, name] = ops.find(([, name]) => name !== undefined) ?? [];
  if (op) {
    const ref = parted(name, facts);
    return ref && op in comparisons(facts.get(ref.name)) ? { ...ref, op, value: "" } : { text: { known: `known(${name})`, unknown: `not known(${name})`, yes: name, no: `not (${name})` }[op] };
  }
  if (one.not !== undefined) return { mode: "none", parts: [one.not] };
  const ref = parted(one.fact, facts), list = one.in ?? one.not_in;
  const kind = one.in ? "in" : one.not_in ? "not_in" : one.contains !== undefined ? "contains" : one.is;
  const fact = ref && facts.get(ref.name);
  const fits = ref && one.other === undefined && kind in comparisons(fact) && !(list ?? []).some((text) => String(text).includes(";"));
  if (fits) return { ...ref, op: kind, value: list ? list.map((text) => written(text, fact)).join("; ") : written(one.contains ?? one.value, fact) };
  if (list) return { text: `${one.fact} ${kind === "in" ? "in" : "not in"} (${list.map(literal).join(", ")})` };
  return { text: `${one.fact} ${kind} ${one.other ?? literal(one.contains ?? one.value)}` };
}
