// Corrections: right, or what it is instead.

import * as api from "./api.js";
import { make } from "./element.js";
import { words } from "./words.js";

/** Ask whether the answer is right; what is said is kept by the service. */
export function showFeedback(place, state) {
  const { service, answer } = state;
  place.hidden = !service?.feedback;
  if (place.hidden) return;
  if (answer.thanked) return thank(place, state);
  const chosen = words();
  place.replaceChildren(
    make("h2", {}, chosen.feedbackHead),
    make(
      "div", { class: "buttons" },
      make("button", { type: "button", id: "right", onclick: () => send(place, state, answer.label, "") }, chosen.yes),
      make("button", { type: "button", id: "wrong", onclick: () => ask(place, state) }, chosen.no),
    ),
    make("p", { class: "note" }, service.pictures_kept ? chosen.keptPicture : chosen.keptAnswer),
  );
}

function ask(place, state) {
  const chosen = words();
  const name = make("input", { id: "correct", list: "class-names", placeholder: chosen.typeName, maxlength: "200", autocomplete: "off" });
  const names = make("datalist", { id: "class-names" }, ...state.known.classes.map((one) => make("option", { value: one.name })));
  const none = make("input", { id: "none", type: "checkbox", onchange: () => (name.disabled = none.checked) });
  const note = make("input", { id: "note", maxlength: "2000", autocomplete: "off" });
  const fault = make("p", { class: "fault", role: "alert" });
  const save = (event) => {
    event.preventDefault();
    const said = none.checked ? "" : name.value.trim();
    if (!none.checked && !said) {
      fault.textContent = chosen.needName;
      name.focus();
      return;
    }
    send(place, state, said, note.value);
  };
  place.replaceChildren(make(
    "form", { onsubmit: save },
    make("h2", {}, chosen.whatIsIt),
    make("label", { class: "field" }, make("span", {}, chosen.whatIsIt), name), names,
    make("label", { class: "switch" }, none, " ", chosen.none),
    make("label", { class: "field" }, make("span", {}, chosen.note), note),
    fault,
    make(
      "div", { class: "buttons" },
      make("button", { type: "submit", class: "main", id: "save" }, chosen.save),
      make("button", { type: "button", onclick: () => showFeedback(place, state) }, chosen.cancel),
    ),
  ));
  name.focus();
}

async function send(place, state, label, note) {
  const { answer, service, file, model } = state;
  const fields = { label, predicted: answer.label, note, sha256: answer.sha256, file: service.pictures_kept ? file : null };
  for (const button of place.querySelectorAll("button")) button.disabled = true;
  try {
    await api.feedback(fields, model);
    answer.thanked = true;
    thank(place, state);
  } catch (problem) {
    for (const button of place.querySelectorAll("button")) button.disabled = false;
    const [head, cure] = words().problems[problem.code] ?? words().problems.bug;
    place.append(make("p", { class: "fault", role: "alert" }, `${head} ${cure}`));
  }
}

function thank(place) {
  place.replaceChildren(make("p", { class: "thanks", role: "status", tabindex: "-1" }, words().thanks));
  place.firstChild.focus();
}
