// The report: search, sort and filter its units, and go from one to the next.
{
  const cards = [...document.querySelectorAll(".card")];
  const numeric = (text) => (text === undefined ? null : Number(text));
  // What is searched is what is said of the unit itself, not of its neighbors, and no prose that all units share.
  const said = "header bdi, .fault, .prototypes figcaption bdi, .by bdi, .says bdi";
  const facts = cards.map((card) => ({
    card,
    at: Number(card.dataset.at),
    text: folded([card.dataset.unit, ...[...card.querySelectorAll(said)].map((one) => one.textContent)].join("\n")),
    percentile: numeric(card.dataset.percentile),
    value: numeric(card.dataset.value),
    agreement: numeric(card.dataset.agreement),
    label: folded(card.dataset.label),
    scores: Object.fromEntries([...card.querySelectorAll("[data-score]")].map((row) => [row.dataset.method, Number(row.dataset.score)])),
  }));
  const kept = {
    all: () => true,
    labeled: (f) => "labeled" in f.card.dataset,
    silent: (f) => "silent" in f.card.dataset,
    waiting: (f) => f.card.dataset.state === "1",
    failed: (f) => f.card.dataset.state === "2",
    differ: (f) => f.agreement !== null && f.agreement < 0.5,
  };
  const fields = [["q", ""], ["sort", "unit"], ["layer", ""], ["show", "all"]].filter(([id]) => $(id));
  const switches = ["mask", "heat"].filter($);

  /** Order two units: those without what is asked for come last, whichever way it goes. */
  function ordered(sort) {
    if (sort === "unit") return () => 0;
    if (sort === "label") return (a, b) => !a.label - !b.label || a.label.localeCompare(b.label);
    const [sign, name] = sort.startsWith("-") ? [1, sort.slice(1)] : [-1, sort];
    const of = name.startsWith("score:") ? (f) => f.scores[name.slice(6)] ?? null : (f) => f[name];
    return (a, b) => (of(a) === null) - (of(b) === null) || sign * (of(a) - of(b));
  }

  function arrange() {
    const asked = folded($("q").value).split(/\s+/).filter(Boolean);
    const layer = $("layer")?.value;
    const fits = (f) => kept[$("show").value](f) && (!layer || f.card.dataset.layer === layer) && asked.every((word) => f.text.includes(word));
    const by = ordered($("sort").value);
    const order = [...facts].sort((a, b) => by(a, b) || a.at - b.at);
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
    for (const id of switches) for (const section of overlaid.all(id)) overlaid.turn(section, $(id).checked);
    if (large.open) large.go(large.at);
  }

  function remember() {
    const state = new URLSearchParams();
    for (const [id, usual] of fields) if ($(id).value !== usual) state.set(id, $(id).value);
    for (const id of switches) if ($(id).checked) state.set(id, "1");
    const text = state.toString();
    try { history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search); } catch { /* some viewers keep no history */ }
  }

  function recall() {
    if (!cards.length || (location.hash && !location.hash.includes("="))) return;
    const state = new URLSearchParams(location.hash.slice(1));
    for (const [id, usual] of fields) {
      const wanted = state.get(id) ?? usual;
      $(id).value = id === "q" || [...$(id).options].some((option) => option.value === wanted) ? wanted : usual;
    }
    for (const id of switches) $(id).checked = state.get(id) === "1";
    turn();
    arrange();
    const found = facts.find((f) => f.card.dataset.unit === state.get("unit"));
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
    if (large.open || !next) return false;
    here(next);
    return true;
  }

  if (cards.length) {
    $("bar").addEventListener("submit", (event) => event.preventDefault());
    for (const [id] of fields) $(id).addEventListener("input", () => { arrange(); remember(); });
    for (const id of switches) $(id).addEventListener("change", () => { turn(); remember(); });
    $("clear").addEventListener("click", () => {
      for (const [id, usual] of fields) if (id !== "sort") $(id).value = usual;
      arrange(); remember(); $("q").focus();
    });
    for (const id of switches) $(id).closest("label").hidden = !document.querySelector(`section[data-over="${id}"] [data-toggle]`);
    addEventListener("click", (event) => {
      const button = event.target.closest("[data-toggle]");
      if (button) overlaid.turn(button.closest("section"), button.getAttribute("aria-pressed") !== "true");
    });
    onKey({
      "/": () => { if (large.open) return false; $("q").focus(); return true; },
      leave: () => $("q").blur(),
      j: () => step(1), k: () => step(-1), m: () => $("mask").click(), h: () => $("heat").click(),
    });
  }
  if (innerWidth < 640) for (const run of document.querySelectorAll(".run")) run.open = false;
  addEventListener("hashchange", recall);
  recall();
  document.documentElement.dataset.ready = "";
}
