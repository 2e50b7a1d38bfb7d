// Several pictures at once: a row of them, named one after another. Choosing one shows all that is known of it.

import * as api from "./api.js";
import { byId, make } from "./element.js";
import { words } from "./words.js";

const state = {
  items: [], // { file, button, url, said }: said is what it is called, once that is known
  asked: null, // stops the naming
};

/** Show a row of the pictures and name them in turn; ``choose`` is told which one is to be looked at. */
export function showSeveral(files, model, choose) {
  clearSeveral();
  state.items = files.map((file) => {
    const url = URL.createObjectURL(file);
    const button = make("button", { type: "button", onclick: () => choose(file) }, make("img", { src: url, alt: "" }), make("span", { class: "called" }));
    return { file, url, button, said: null };
  });
  byId("row").replaceChildren(...state.items.map(({ button }) => make("li", {}, button)));
  byId("several").hidden = false;
  nameSeveral(model);
}

/** Name them all, by another model than before. */
export function nameSeveral(model) {
  state.asked?.abort();
  state.asked = new AbortController();
  for (const item of state.items) item.said = null;
  writeSeveral();
  nameAll(model, state.asked.signal);
}

export function clearSeveral() {
  state.asked?.abort();
  for (const { url } of state.items) URL.revokeObjectURL(url);
  state.items = [];
  byId("several").hidden = true;
}

/** Say which of them is being looked at. */
export function markChosen(file) {
  for (const item of state.items) {
    item.button.setAttribute("aria-current", item.file === file);
    if (item.file === file) item.button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

/** Write what is said of each, in the chosen language. */
export function writeSeveral() {
  byId("several-head").textContent = words().several(state.items.length);
  for (const { button, file, said } of state.items) {
    const called = said?.(words()) ?? "…";
    button.lastChild.textContent = called;
    button.setAttribute("aria-label", `${file.name}: ${called}`);
  }
}

/** One after another: a row of fifty must not keep others from being served. What can't be asked now stays unnamed. */
async function nameAll(model, signal) {
  for (const item of state.items) {
    try {
      const { predictions: [answer] } = await api.name(item.file, model, signal);
      item.said = answer.error ? (chosen) => chosen.noPictureShort : calledBy(answer);
    } catch (problem) {
      if (signal.aborted) return;
      if (!(problem instanceof api.Problem)) throw problem;
      if (problem.code === "busy" || problem.code === "too_many") return;
      item.said = (chosen) => chosen.noPictureShort;
    }
    if (signal.aborted) return;
    writeSeveral();
  }
}

const calledBy = ({ decision, label }) => (chosen) => (decision !== null && !decision.known ? chosen.unknownShort : label);
