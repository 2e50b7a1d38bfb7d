// Why it is one class and not another, part by part.

import { make } from "./element.js";
import { badge, balance, walk } from "./verdict.js";
import { joined, signed, words } from "./words.js";

/** Marks that are shown at once. */
const SHOWN = 5;

export function showWhy(place, { answer, explanation, known, stage, compare }) {
  const chosen = words();
  if (!known || known.classes.length < 2) return place.replaceChildren();
  const rival = explanation?.rival ?? answer.top[1]?.label;
  const heading = make("h2", { id: "why-title" }, `${chosen.whyHead(answer.label)} `);
  const names = known.classes.map((one) => one.name).filter((name) => name !== answer.label);
  const likely = answer.top.map((one) => one.label).filter((name) => name !== answer.label);
  const order = [...likely, ...names.filter((name) => !likely.includes(name)).sort()];
  const options = order.map((name) => make("option", { value: name, selected: name === rival }, name));
  const pick = make("select", { id: "rival", "aria-label": chosen.whyPick, onchange: ({ target }) => compare(target.value) }, ...options);
  const head = make("div", { class: "why-head" }, heading, pick);
  if (!explanation) return place.replaceChildren(head, make("p", { class: "note" }, chosen.comparing));
  return place.replaceChildren(head, make("p", { class: "sentence" }, sentence(explanation)), ...apart(explanation), ...marks(explanation, answer, stage), how(explanation));
}

/** Say in a sentence what decides. */
function sentence({ label, rival, marks: all, flip, exact }) {
  const chosen = words(), forIt = all.filter((mark) => mark.difference > 0);
  if (!forIt.length) return chosen.nothingFor(label);
  if (flip?.length) {
    const names = flip.map((name) => chosen.the(name));
    return chosen.capital(chosen.decides(joined(names), rival, names.length > 1)) + (exact ? "" : ` ${chosen.notExact}`);
  }
  return chosen.capital(chosen.noFlip(chosen.the(forIt[0].part), rival)) + (exact ? "" : ` ${chosen.notExact}`);
}

/** Say which part sets the picture apart from those of the rival, where pictures of it were looked at. */
function apart({ label, rival, marks: all, beside, alike }) {
  if (!beside) return [];
  const chosen = words();
  const most = all.filter((mark) => mark.contrast > 0).sort((one, other) => other.contrast - one.contrast)[0];
  const said = most ? [make("p", { class: "note" }, chosen.apart(chosen.the(most.part), rival, signed(most.contrast)))] : [];
  const coloured = make("img", { src: beside, alt: chosen.apartPicture(rival) });
  const theirs = alike.map((one, place) => make(
    "span", { class: "crop" }, make("img", { src: one.thumbnail, alt: "" }), make("small", {}, place ? "" : chosen.theirs(rival)),
  ));
  const caption = make("figcaption", { class: "note" }, chosen.apartWords(label, rival));
  return [...said, make("figure", { class: "apart" }, coloured, make("span", { class: "pair" }, ...theirs), caption)];
}

function marks({ marks: all, label, rival, exact }, answer, stage) {
  const chosen = words();
  const shown = all.slice(0, SHOWN), most = Math.max(...all.map((mark) => Math.abs(mark.difference)), 1e-6);
  const seen = Object.fromEntries(answer.parts.map((part) => [part.name, part]));
  const legend = make("p", { class: "legend", "aria-hidden": "true" }, make("span", {}, `← ${chosen.leaning(rival)}`), make("span", {}, `${chosen.leaning(label)} →`));
  const rows = shown.map((mark, place) => row(mark, seen[mark.part], most, { stage, label, rival, exact, first: !place }));
  return [legend, make("ul", { class: "parts versus", onkeydown: walk }, ...rows)];
}

function row(mark, part, most, { stage, label, rival, exact, first }) {
  const chosen = words(), winner = mark.difference > 0 ? label : rival;
  const spoken = `${mark.part}: ${chosen.leaning(winner)} ${signed(mark.difference)}`;
  const point = (name) => () => stage.point(name);
  const own = stage.cutOut(mark.box, 72);
  const pictures = make(
    "span", { class: "pair" },
    own ? make("span", { class: "crop" }, own, make("small", {}, first ? chosen.yours : "")) : "",
    ...mark.examples.slice(0, 2).map((one, place) => make("span", { class: "crop" }, make("img", { src: one.thumbnail, alt: "" }), make("small", {}, first && !place ? chosen.theirs(rival) : ""))),
  );
  const covered = exact && mark.removal
    ? make("small", { class: "covered", title: chosen.coveredHelp }, chosen.covered(signed(mark.removal.measured)))
    : "";
  return make("li", {}, make(
    "button",
    {
      type: "button", class: "part", "aria-label": spoken, "data-part": mark.part,
      onpointerenter: point(mark.part), onfocus: point(mark.part), onclick: point(mark.part),
      onpointerleave: point(null), onblur: point(null),
    },
    badge(part), make("span", { class: "name" }, mark.part), balance(mark.difference, most),
    make("span", { class: "figure" }, signed(mark.difference)), pictures, covered,
  ));
}

const how = () => make("details", { class: "how" }, make("summary", {}, words().howHead), make("p", {}, words().how));
