"use strict";
const $ = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const facts = cards.map((card) => ({
  card,
  at: Number(card.dataset.at),
  text: card.textContent.toLowerCase().normalize("NFKC"),
  unit: card.querySelector(".unit a bdi").textContent,
  agreement: card.dataset.agreement === undefined ? null : Number(card.dataset.agreement),
  scores: Object.fromEntries(
    [...card.querySelectorAll("[data-score]")].map((row) => [row.dataset.method, Number(row.dataset.score)])
  ),
}));
const shown = {
  all: () => true,
  silent: (f) => "silent" in f.card.dataset,
  failed: (f) => "failed" in f.card.dataset,
  differ: (f) => f.agreement !== null && f.agreement < 0.5,
};
const most = (value) => (value === null || value === undefined || Number.isNaN(value) ? -Infinity : value);
const key = (sort) => {
  if (sort === "agreement") return (f) => most(f.agreement);
  if (sort.startsWith("score:")) return (f) => most(f.scores[sort.slice(6)]);
  return () => 0;
};

function arrange() {
  const asked = $("q").value.toLowerCase().normalize("NFKC").split(/\s+/).filter(Boolean);
  const fits = (f) => shown[$("show").value](f) && asked.every((word) => f.text.includes(word));
  const by = key($("sort").value);
  const order = [...facts].sort((a, b) => by(b) - by(a) || a.at - b.at);
  let count = 0;
  for (const f of order) {
    f.card.hidden = !fits(f);
    count += f.card.hidden ? 0 : 1;
  }
  const now = document.querySelectorAll(".card");
  if (order.some((f, i) => f.card !== now[i])) $("units").prepend(...order.map((f) => f.card));
  $("count").textContent = `${count} of ${cards.length}`;
  $("nothing").hidden = count > 0 || cards.length === 0;
}

function turn() {
  for (const [box, where] of [["mask", ".proto .flip"], ["heat", ".natural .flip"]]) {
    for (const one of document.querySelectorAll(where)) one.setAttribute("aria-pressed", $(box).checked);
  }
}

function remember() {
  const state = new URLSearchParams();
  for (const [id, usual] of [["q", ""], ["sort", "unit"], ["show", "all"]]) if ($(id).value !== usual) state.set(id, $(id).value);
  for (const id of ["mask", "heat"]) if ($(id).checked) state.set(id, "1");
  const text = state.toString();
  try { history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search); } catch { /* some viewers keep no history */ }
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  $("q").value = state.get("q") ?? "";
  for (const [id, usual] of [["sort", "unit"], ["show", "all"]]) {
    const wanted = state.get(id) ?? usual;
    $(id).value = [...$(id).options].some((option) => option.value === wanted) ? wanted : usual;
  }
  for (const id of ["mask", "heat"]) $(id).checked = state.get(id) === "1";
  turn();
  arrange();
  const found = facts.find((f) => f.unit === state.get("unit"));
  if (found) here(found.card);
}

function here(card) {
  document.querySelector(".here")?.classList.remove("here");
  card.classList.add("here");
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "start" });
}

function step(by) {
  const now = [...document.querySelectorAll(".card:not([hidden])")];
  const at = now.findIndex((card) => card.classList.contains("here"));
  const next = now[at < 0 ? 0 : Math.min(now.length - 1, Math.max(0, at + by))];
  if (next) here(next);
}

$("bar").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["q", "sort", "show"]) $(id).addEventListener("input", () => { arrange(); remember(); });
for (const id of ["mask", "heat"]) $(id).addEventListener("change", () => { turn(); remember(); });
$("clear").addEventListener("click", () => { $("q").value = ""; $("show").value = "all"; arrange(); remember(); $("q").focus(); });
$("units").addEventListener("click", (event) => {
  const flip = event.target.closest(".flip");
  if (flip) flip.setAttribute("aria-pressed", flip.getAttribute("aria-pressed") !== "true");
});
if (innerWidth < 640) for (const run of document.querySelectorAll(".run")) run.open = false;
addEventListener("hashchange", recall);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") { event.target.blur(); }
    return;
  }
  const does = { "/": () => $("q").focus(), j: () => step(1), k: () => step(-1), m: () => $("mask").click(), h: () => $("heat").click() }[event.key];
  if (does) { event.preventDefault(); does(); }
});
addEventListener("beforeprint", () => { for (const img of document.images) img.loading = "eager"; });
recall();
document.documentElement.dataset.ready = "";
