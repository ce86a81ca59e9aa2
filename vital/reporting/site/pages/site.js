// The data of a site, which come as scripts so that a folder needs no server.
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
