"use strict";
// A classic script: browsers load no modules from a disk.
(() => {
  const page = document.documentElement;
  page.classList.add("scripted");
  const seen = (element) => element.getClientRects().length > 0;
  const search = document.getElementById("search");

  // Search: a class is shown if it has all of the words, whatever their accents.
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const entries = [...document.querySelectorAll("[data-words]")].map((element) => [element, plain(element.dataset.words)]);
  const filter = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    let left = 0;
    for (const [element, text] of entries) {
      element.hidden = !words.every((word) => text.includes(word));
      left += element.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector("[data-words]:not([hidden])");
    document.getElementById("nothing").hidden = left > 0;
    document.getElementById("found").textContent = words.length ? `${left} of ${entries.length} classes` : "";
  };
  const toSearch = () => {
    search.focus();
    search.select();
    search.scrollIntoView({ block: "center" });
  };
  if (search) {
    search.addEventListener("input", filter);
    search.form.addEventListener("submit", (event) => {
      event.preventDefault();
      document.querySelector("[data-words]:not([hidden]) a")?.click();
    });
    if (search.value) filter(); // kept by the browser when the reader comes back
    if (location.hash === "#search") toSearch();
  }

  // Lists: j and k, and inside a list the arrows, go from link to link.
  const move = (step) => {
    const links = [...document.querySelectorAll("[data-list] a")].filter(seen);
    const place = links.indexOf(document.activeElement);
    const next = place < 0 ? (step > 0 ? links[0] : links.at(-1)) : links[place + step];
    next?.focus();
  };

  // The key: one question at a time; which one is in the address, so that the browser's own buttons work too.
  const steps = [...document.querySelectorAll(".step")];
  const find = (name) => document.querySelector(`[data-go="${name}"]`);
  let shown = steps[0];
  const show = (moved) => {
    shown = steps.find((step) => `#${step.id}` === location.hash) ?? shown;
    for (const step of steps) step.classList.toggle("shown", step === shown);
    find("back").disabled = !shown.dataset.back;
    if (moved) shown.querySelector("h2").focus();
  };
  const go = {
    back: () => { if (shown.dataset.back) location.hash = shown.dataset.back; },
    restart: () => { location.hash = `#${steps[0].id}`; },
    all: () => find("all").setAttribute("aria-pressed", String(!page.classList.toggle("walking"))),
  };
  const answer = (place) => shown.querySelector(`[data-answer="${place}"]`).click();
  if (steps.length) {
    page.classList.add("walking");
    show(false);
    addEventListener("hashchange", () => show(true));
    for (const name of Object.keys(go)) find(name).addEventListener("click", go[name]);
  }

  const keys = {
    "/": () => search ? toSearch() : location.assign(`${document.body.dataset.index}#search`),
    j: () => move(1),
    k: () => move(-1),
    ...(steps.length && { 1: () => answer(1), ArrowLeft: () => answer(1), 2: () => answer(2), ArrowRight: () => answer(2), b: go.back, r: go.restart }),
  };
  const inList = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target === search) {
      if (event.key === "ArrowDown") { event.preventDefault(); move(1); }
      return;
    }
    const action = event.target.closest("[data-list]") && event.key in inList ? () => move(inList[event.key]) : keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
