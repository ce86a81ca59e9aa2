"use strict";
// The grid of units: only the tiles that are in view are in the page, so that thousands scroll as smoothly as ten.
{
  const layer = $("layer")?.dataset.at;
  const grid = $("grid");
  const state = { rows: [], shown: [], tiles: new Map(), columns: 1, height: 1, at: 0 };
  const started = performance.now();

  const [UNIT, CLASS, LABEL, WORDS, STATE, VALUE, PERCENTILE, AGREEMENT, PAGE, PICTURES, TRUTH] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const kept = { all: () => true, labeled: (r) => r[LABEL], silent: (r) => !r[LABEL], waiting: (r) => r[STATE] % 4 === 1, failed: (r) => r[STATE] % 4 === 2 };
  const numbers = { percentile: PERCENTILE, value: VALUE, agreement: AGREEMENT };

  async function load() {
    const { layers, shards, size } = index.layers;
    const chosen = layer ? layers.filter((one) => one[1] === layer) : layers;
    const [first, last] = [Math.min(...chosen.map((l) => l[2])), Math.max(...chosen.map((l) => l[2] + l[3]))];
    const wanted = shards.map((_, i) => i).filter((i) => i * size < last && (i + 1) * size > first);
    const parts = await Promise.all(wanted.map(async (i) => [i, await shard(i)]));
    for (const [name, at, start, count] of chosen) {
      for (const [i, rows] of parts) {
        for (let n = Math.max(start, i * size); n < Math.min(start + count, i * size + rows.length); n++) {
          const row = rows[n - i * size];
          const page = row[PAGE] || row[UNIT].slice(name.length + 1);
          state.rows.push({ row, at: n, layer: at, folder: `${root}${at}/${page}`, text: folded(`${row[UNIT]}\n${row[CLASS]}\n${row[LABEL]}\n${row[WORDS]}`) });
        }
      }
    }
    state.rows.sort((a, b) => a.at - b.at);
  }

  function choose() {
    const asked = folded($("q").value).split(/\s+/).filter(Boolean);
    const fits = kept[$("show").value];
    const among = $("among")?.value;
    const found = state.rows.filter((one) => fits(one.row) && (!among || one.layer === among) && asked.every((word) => one.text.includes(word)));
    const sort = $("sort").value;
    const column = numbers[sort.replace("-", "")];
    if (column !== undefined) {
      const sign = sort.startsWith("-") ? 1 : -1;
      const missing = sort.startsWith("-") ? Infinity : -Infinity;
      const key = (one) => one.row[column] ?? missing;
      found.sort((a, b) => (key(a) === key(b) ? 0 : sign * (key(a) - key(b))) || a.at - b.at);
    } else if (sort === "label") {
      const key = (one) => one.row[LABEL] || one.row[CLASS];
      found.sort((a, b) => !key(a) - !key(b) || key(a).localeCompare(key(b)) || a.at - b.at);
    } else if (asked.length) {
      const rank = (one) => (asked.join(" ") === folded(one.row[UNIT]) ? 0 : 1);
      found.sort((a, b) => rank(a) - rank(b) || a.at - b.at);
    }
    state.shown = found;
    const searching = !layer && !asked.length && !among && $("show").value === "all";
    if (!layer) {
      $("results").hidden = searching;
      $("layers").hidden = !searching;
    }
    const total = state.rows.length.toLocaleString("en");
    $("count").textContent = found.length === state.rows.length ? `${total} units` : `${found.length.toLocaleString("en")} of ${total}`;
    $("nothing").hidden = found.length > 0 || !state.rows.length;
    redraw();
  }

  function redraw() {
    for (const tile of state.tiles.values()) tile.remove();
    state.tiles.clear();
    grid.hidden = !state.shown.length;
    if (state.shown.length) { grid.setAttribute("role", "list"); measure(); draw(); }
  }

  function measure() {
    const width = grid.clientWidth;
    const gap = width < 560 ? 10 : 18;
    state.columns = Math.max(2, Math.floor((width + gap) / ((width < 560 ? 150 : 168) + gap)));
    state.side = (width - gap * (state.columns - 1)) / state.columns;
    state.gap = gap;
    state.height = state.side + 62 + gap;
    grid.style.height = `${Math.ceil(state.shown.length / state.columns) * state.height}px`;
  }

  function draw(every = false) {
    const top = -grid.getBoundingClientRect().top;
    const from = every ? 0 : Math.max(0, Math.floor(top / state.height) - 2) * state.columns;
    const to = every ? state.shown.length : Math.min(state.shown.length, (Math.ceil((top + innerHeight) / state.height) + 2) * state.columns);
    for (const [i, tile] of state.tiles) {
      if ((i < from || i >= to) && !tile.contains(document.activeElement)) { tile.remove(); state.tiles.delete(i); }
    }
    for (let i = from; i < to; i++) {
      if (!state.tiles.has(i)) {
        const tile = made(i);
        state.tiles.set(i, tile);
        grid.append(tile);
      }
    }
  }

  function made(i) {
    const { row, folder } = state.shown[i];
    const tile = document.createElement("div");
    tile.className = "tile";
    tile.setAttribute("role", "listitem");
    tile.setAttribute("aria-setsize", state.shown.length);
    tile.setAttribute("aria-posinset", i + 1);
    tile.style.width = `${state.side}px`;
    tile.style.transform = `translate(${(i % state.columns) * (state.side + state.gap)}px, ${Math.floor(i / state.columns) * state.height}px)`;
    const link = document.createElement("a");
    link.href = `${folder}/index.html`;
    link.dataset.at = i;
    link.append(picture(row, folder));
    const title = row[LABEL] || row[CLASS];
    link.append(line("id", row[UNIT]));
    link.append(line(title ? "what" : "what none", title || (row[STATE] >= 4 ? "no label" : ["", "not finished", "failed"][row[STATE] % 4])));
    if (row[TRUTH]) link.append(line("class", `truth: ${row[TRUTH]}`));
    else if (row[LABEL] && row[CLASS] && row[CLASS] !== row[LABEL]) link.append(line("class", row[CLASS]));
    else if (row[PERCENTILE] !== null) link.append(line("class", row[PERCENTILE] >= 100 ? "above all images" : `above ${Number(row[PERCENTILE].toPrecision(4))} %`));
    tile.append(link);
    return tile;
  }

  function picture(row, folder) {
    const names = index.layers.pictures;
    const wanted = names.indexOf($("picture").value);
    const has = (i) => i >= 0 && (row[PICTURES] >> i) & 1;
    const i = has(wanted) ? wanted : names.findIndex((_, n) => has(n));
    const frame = document.createElement("span");
    frame.className = "frame";
    if (i < 0 || (wanted !== i && $("picture").selectedIndex > 0)) { frame.classList.add("blank"); frame.title = "no picture here"; return frame; }
    const image = document.createElement("img");
    image.decoding = "async";
    image.alt = "";
    const natural = names[i] === "e00";
    image.src = `${folder}/${names[i]}${natural ? ($("heat").checked ? "-heat" : "") : "-s"}.webp`;
    frame.append(image);
    return frame;
  }

  function line(kind, text) {
    const found = document.createElement("span");
    found.className = kind;
    const inside = document.createElement("bdi");
    inside.textContent = text;
    found.append(inside);
    return found;
  }

  function go(i) {
    const to = Math.max(0, Math.min(state.shown.length - 1, i));
    const top = grid.getBoundingClientRect().top + scrollY + Math.floor(to / state.columns) * state.height;
    if (top < scrollY + 80 || top + state.height > scrollY + innerHeight) scrollTo({ top: top - innerHeight / 3, behavior: "instant" });
    draw();
    state.tiles.get(to)?.firstChild.focus({ preventScroll: true });
  }

  function move(by) {
    if (!state.shown.length || grid.offsetParent === null) return false;
    const now = document.activeElement?.dataset?.at;
    if (now === undefined && Math.abs(by()) !== 1 && !grid.contains(document.activeElement)) return false;
    go(now === undefined ? 0 : Number(now) + by());
    return true;
  }

  const fields = [["q", ""], ["sort", "unit"], ["among", ""], ["show", "all"], ["picture", null]].filter(([id]) => $(id));
  function remember() {
    const now = new URLSearchParams();
    for (const [id, usual] of fields) if ($(id).value && $(id).value !== (usual ?? $(id).options[0]?.value)) now.set(id, $(id).value);
    if ($("heat").checked) now.set("heat", "1");
    const text = now.toString();
    try { history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search); } catch { /* some viewers keep no history */ }
  }
  function recall() {
    const then = new URLSearchParams(location.hash.slice(1));
    for (const [id, usual] of fields) {
      const wanted = then.get(id) ?? usual;
      if (id === "q") $(id).value = wanted;
      else if (wanted !== null && [...$(id).options].some((option) => option.value === wanted)) $(id).value = wanted;
    }
    $("heat").checked = then.get("heat") === "1";
  }

  function change() {
    const from = performance.now();
    heatable();
    choose();
    remember();
    document.documentElement.dataset.search = (performance.now() - from).toFixed(1);
  }
  function heatable() { $("heat").closest("label").hidden = $("picture").value !== "e00"; }
  function clear() { for (const id of ["q", "among"]) if ($(id)) $(id).value = ""; $("show").value = "all"; change(); }

  $("find").addEventListener("submit", (event) => { event.preventDefault(); if (state.shown.length) go(0); });
  for (const id of ["q", "sort", "among", "show", "picture", "heat"]) $(id)?.addEventListener("input", change);
  $("clear").addEventListener("click", () => { clear(); $("q").focus(); });
  addEventListener("hashchange", () => { recall(); heatable(); choose(); });
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting || grid.hidden) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }, { passive: true });
  addEventListener("resize", redraw);
  addEventListener("beforeprint", () => { if (!grid.hidden) draw(state.shown.length <= 1000); });
  addEventListener("pagehide", () => remembered.set(location.pathname, scrollY));
  onKey({
    "/": () => $("q").focus(),
    leave: () => { if ($("q").value) clear(); else $("q").blur(); },
    Escape: () => { if (large.open) return false; if ($("q").value || $("among")?.value || $("show").value !== "all") clear(); else if (layer) location.href = `${root}index.html`; return true; },
    ArrowRight: () => move(() => 1),
    ArrowLeft: () => move(() => -1),
    ArrowDown: () => move(() => state.columns),
    ArrowUp: () => move(() => -state.columns),
    Home: () => (grid.contains(document.activeElement) ? go(0) : false),
    End: () => (grid.contains(document.activeElement) ? go(state.shown.length - 1) : false),
  });

  addEventListener("DOMContentLoaded", async () => {
    recall();
    heatable();
    try { await load(); } catch (error) { $("count").textContent = error.message; return; }
    choose();
    const back = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
    if (back) scrollTo({ top: Number(remembered.get(location.pathname) ?? 0), behavior: "instant" });
    draw();
    document.documentElement.dataset.ready = (performance.now() - started).toFixed(0);
  });
}
