"use strict";
// The page of a unit: pictures that enlarge, masks and heat that turn on and off, and keys.
{
  const large = $("large");
  const zooms = [...document.querySelectorAll(".zoom")];
  let open = 0;

  const visible = (zoom) => [...zoom.querySelectorAll("img")].find((image) => getComputedStyle(image).display !== "none");

  function enlarge(i) {
    open = (i + zooms.length) % zooms.length;
    const zoom = zooms[open];
    const image = visible(zoom);
    $("large-image").src = image.src;
    $("large-image").alt = image.alt;
    $("large-caption").textContent = zoom.dataset.caption;
    const png = zoom.dataset.png;
    $("large-png").href = png ? (image.className === "over" ? png.replace(/\.png$/, "-mask.png") : png) : image.src;
    $("large-png").textContent = png ? "Download PNG" : "Download picture";
    if (!large.open) large.showModal();
  }

  function toggle(id, where) {
    const button = $(id);
    if (!button) return;
    const set = (on) => {
      button.setAttribute("aria-pressed", on);
      document.body.classList.toggle(where, on);
      remembered.set(where, on ? "1" : "");
    };
    button.addEventListener("click", () => set(button.getAttribute("aria-pressed") !== "true"));
    set(remembered.get(where) === "1");
  }

  zooms.forEach((zoom, i) => zoom.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    enlarge(i);
  }));
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });
  $("large-previous").addEventListener("click", () => enlarge(open - 1));
  $("large-next").addEventListener("click", () => enlarge(open + 1));
  toggle("mask", "masked");
  toggle("heat", "heated");
  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    location.href = `${root}index.html#${new URLSearchParams({ q: $("q").value })}`;
  });

  const follow = (id) => { const link = $(id); if (!link) return false; link.click(); return true; };
  const walk = (by, id) => { if (large.open) { enlarge(open + by); return true; } return follow(id); };
  onKey({
    "/": () => { if (large.open) return false; $("q").focus(); return true; },
    leave: () => $("q").blur(),
    Escape: () => (large.open ? false : follow("up")),
    ArrowLeft: () => walk(-1, "previous"),
    ArrowRight: () => walk(1, "next"),
    m: () => { $("mask")?.click(); if (large.open) enlarge(open); },
    h: () => { $("heat")?.click(); if (large.open) enlarge(open); },
  });
  document.documentElement.dataset.ready = "1";
}
