"use strict";
// What all pages share: the search field, keys, and the data, which come as scripts so that a folder needs no server.
const $ = (id) => document.getElementById(id);
const root = document.body.dataset.root;
const index = { layers: null, waiting: new Map() };
globalThis.vital = {
  layers(told) { index.layers = told; },
  units([shard, rows]) { index.waiting.get(shard)?.(rows); },
};

/** Load one file of the index; the promise holds its rows. */
function shard(number) {
  return new Promise((done, failed) => {
    index.waiting.set(number, done);
    const script = document.createElement("script");
    script.src = `${root}data/units-${number}.js?${index.layers.shards[number]}`;
    script.onerror = () => failed(new Error(`${script.src} is missing`));
    document.head.append(script);
  });
}

const folded = (text) => text.toLowerCase().normalize("NFKC");
const remembered = {
  get: (name) => { try { return sessionStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { sessionStorage.setItem(name, value); } catch { /* some viewers keep nothing */ } },
};

/** Do what a key stands for, unless somebody writes or holds another key. */
function onKey(does) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
    const action = typing ? (event.key === "Escape" && event.target === $("q") ? does.leave : null) : does[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}
addEventListener("beforeprint", () => {
  for (const image of document.images) image.loading = "eager";
  for (const one of document.querySelectorAll("main details")) one.open = true;
});
