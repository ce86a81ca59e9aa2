"use strict";
// The page of a unit: masks and heat that stay on from page to page, and keys that go to other units.
{
  const root = document.body.dataset.root;

  function turn(section, on) {
    overlaid.turn(section, on);
    remembered.set(section.dataset.over, on ? "1" : "");
  }
  for (const section of document.querySelectorAll("section[data-over]")) {
    if (!overlaid.button(section)) continue;
    overlaid.button(section).addEventListener("click", () => turn(section, !overlaid.is(section)));
    turn(section, remembered.get(section.dataset.over) === "1");
  }
  const press = (kind) => {
    for (const section of overlaid.all(kind)) overlaid.button(section)?.click();
    if (large.open) large.go(large.at);
  };

  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    location.href = `${root}index.html#${new URLSearchParams({ q: $("q").value })}`;
  });
  const follow = (id) => { const link = large.open ? null : $(id); if (!link) return false; link.click(); return true; };
  onKey({
    "/": () => { if (large.open) return false; $("q").focus(); return true; },
    leave: () => $("q").blur(),
    Escape: () => follow("up"),
    ArrowLeft: () => follow("previous"),
    ArrowRight: () => follow("next"),
    m: () => press("mask"),
    h: () => press("heat"),
  });
  document.documentElement.dataset.ready = "1";
}
