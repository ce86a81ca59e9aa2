"use strict";
// What the report and all pages of a site share: keys, pictures that enlarge, masks and heat, downloads, and printing.
const $ = (id) => document.getElementById(id);
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

/** Sections that can lay something over their pictures: masks or heat. */
const overlaid = {
  all: (kind) => [...document.querySelectorAll(`section[data-over="${kind}"]`)],
  button: (section) => section.querySelector("[data-toggle]"),
  is: (section) => Boolean(section?.classList.contains("overlaid")),
  turn(section, on) {
    section.classList.toggle("overlaid", on);
    overlaid.button(section)?.setAttribute("aria-pressed", on);
  },
};

/** The PNG of a picture: the data that it holds, drawn anew where they are of another kind. */
function pngOf(image) {
  if (!image.src.startsWith("data:") || image.src.startsWith("data:image/png")) return image.src;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** The picture at hand, enlarged: Esc closes it, arrows go on to the others of its unit. */
const large = {
  box: $("large"), zooms: [], at: 0,
  get open() { return Boolean(large.box?.open); },
  section: () => large.zooms[large.at]?.closest("section[data-over]"),
  image() {
    const zoom = large.zooms[large.at];
    return (overlaid.is(large.section()) && zoom.querySelector(".over")) || zoom.querySelector(".plain");
  },
  show(zoom) {
    large.zooms = [...(zoom.closest("[data-scope]") ?? document).querySelectorAll(".zoom")];
    large.go(large.zooms.indexOf(zoom));
  },
  go(to) {
    large.at = (to + large.zooms.length) % large.zooms.length;
    const [zoom, image] = [large.zooms[large.at], large.image()];
    const over = image.className === "over";
    image.loading = "eager";
    Object.assign($("large-image"), { src: image.src, alt: image.alt, width: image.width, height: image.height });
    for (const side of ["width", "height"]) $("large-image").setAttribute(side, image.getAttribute(side));
    $("large-caption").textContent = zoom.dataset.caption;
    $("large-count").textContent = `${large.at + 1} of ${large.zooms.length}`;
    for (const id of ["large-previous", "large-next", "large-count"]) $(id).hidden = large.zooms.length < 2;
    const png = over ? zoom.dataset.overPng : zoom.dataset.png;
    const inside = image.src.startsWith("data:");
    const ending = png || inside || image.src.endsWith(".png") ? "png" : "webp";
    $("large-save").href = png ?? (inside ? "#" : image.src);
    $("large-save").textContent = `Download ${ending === "png" ? "PNG" : "WebP"}`;
    $("large-save").download = `${zoom.dataset.name}${over ? `-${large.section().dataset.over}` : ""}.${ending}`;
    $("large-over").hidden = !zoom.querySelector(".over");
    $("large-over").textContent = large.section()?.dataset.over === "heat" ? "Heat" : "Mask";
    $("large-over").setAttribute("aria-pressed", over);
    if (!large.open) large.box.showModal();
  },
};

addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const zoom = event.target.closest(".zoom");
  if (zoom && large.box) { event.preventDefault(); large.show(zoom); }
  const save = event.target.closest(".save");
  if (save) save.href = pngOf(save.closest("figure").querySelector(`.zoom .${save.dataset.save}`));
  const file = event.target.closest("a[download]");
  if (file && file.protocol === "file:" && !file.hash) file.target = "_blank"; // browsers open local files, and the page is to stay
  const jump = event.target.closest(".jump");
  if (jump) {
    event.preventDefault();
    const to = $(jump.getAttribute("href").slice(1));
    to.scrollIntoView({ block: "center" });
    to.querySelector(".zoom").focus({ preventScroll: true });
  }
});
// The images behind words are those above: a file that holds everything holds them once.
document.addEventListener("toggle", (event) => {
  for (const image of event.target.querySelectorAll?.("img[data-copy]:not([src])") ?? []) {
    image.src = $(image.closest(".jump").getAttribute("href").slice(1)).querySelector(".plain").src;
  }
}, true);
if (large.box) {
  large.box.addEventListener("click", (event) => { if (event.target === large.box) large.box.close(); });
  large.box.addEventListener("close", () => large.zooms[large.at]?.focus());
  $("large-previous").addEventListener("click", () => large.go(large.at - 1));
  $("large-next").addEventListener("click", () => large.go(large.at + 1));
  $("large-over").addEventListener("click", () => { overlaid.turn(large.section(), !overlaid.is(large.section())); large.go(large.at); });
  $("large-save").addEventListener("click", () => { if ($("large-save").getAttribute("href") === "#") $("large-save").href = pngOf(large.image()); });
  large.box.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) { large.go(large.at + by); event.preventDefault(); }
  });
}

// On paper nothing opens: what can be opened is, pictures are there, and afterwards all is as before.
const opened = [];
addEventListener("beforeprint", () => {
  for (const image of document.images) image.loading = "eager";
  for (const one of document.querySelectorAll("main details:not([open], .frames)")) { one.open = true; opened.push(one); }
});
addEventListener("afterprint", () => { for (const one of opened.splice(0)) one.open = false; });
