// What a picture shows, and what each part of it says.

import { make } from "./element.js";
import { joined, percent, signed, words } from "./words.js";

const meter = (share, label) =>
  make("span", { class: "meter", role: "img", "aria-label": label, "--share": `${100 * share}%` });

/** Say what it is - or that it is nothing known, or one of several. */
export function showVerdict(place, answer, known, coverage) {
  const chosen = words(), { decision, label, probability } = answer;
  const unknown = decision !== null && !decision.known;
  const several = decision?.candidates.length > 1;
  const certain = decision === null ? probability >= 0.5 : decision.name === label;
  const unsure = several || !certain;
  const heading = unknown ? chosen.unknownHead : unsure ? chosen.unsureOf(label) : label;
  const lineage = answer.lineage.slice(0, -1).join(" › ");
  place.className = unknown ? "unknown" : unsure ? "several" : "";
  place.replaceChildren(
    make("p", { class: "lineage" }, unknown ? "" : lineage),
    make("h1", { id: "label", tabindex: "-1" }, heading),
    unknown
      ? make("p", { class: "lead" }, chosen.unknownWords(known.classes.length, label))
      : make("p", { class: "sure" }, meter(probability, percent(probability)), unsure ? chosen.likely(percent(probability)) : chosen.sure(percent(probability))),
    several && !unknown ? candidates(answer, coverage) : "",
    decision?.flagged.length ? make("p", { class: "note" }, chosen.flagged(joined(decision.flagged))) : "",
    !unknown && decision && !certain ? make("p", { class: "note" }, howFar(decision)) : "",
    others(answer, unsure && !several),
    decision ? "" : make("p", { class: "note" }, chosen.noRule),
  );
}

const howFar = ({ rank, name, confidence }) =>
  name ? words().certainOf(rank, name, percent(confidence)) : words().notCertain;

function candidates({ decision, top }, coverage) {
  const share = Object.fromEntries(top.map((one) => [one.label, one.probability]));
  const chips = decision.candidates.map((name) =>
    make("li", {}, name, name in share ? make("span", { class: "figure" }, ` ${percent(share[name])}`) : ""),
  );
  return make("div", { class: "set" }, make("p", {}, words().oneOf), make("ul", { class: "chips" }, ...chips), coverage ? make("p", { class: "note" }, words().covers(percent(coverage))) : "");
}

function others({ top }, open) {
  if (top.length < 2) return "";
  const rows = top.slice(1).map((one) =>
    make("li", {}, make("span", {}, one.label), meter(one.probability, percent(one.probability)), make("span", { class: "figure" }, percent(one.probability))),
  );
  return make("details", { class: "others", open }, make("summary", {}, words().alternatives), make("ol", {}, ...rows));
}

/** List the parts, those that say most first; pointing at one shows it on the picture. */
export function showMarks(place, answer, stage) {
  const chosen = words(), { parts } = answer;
  const head = make("h2", {}, chosen.marksHead);
  if (parts.length < 2) return place.replaceChildren(head, make("p", { class: "note" }, chosen.oneMark));
  const most = Math.max(...parts.map((part) => Math.abs(part.evidence)), 1e-6);
  const rows = parts.map((part) => markRow(part, most, stage));
  const [first, rest] = [rows.slice(0, 6), rows.slice(6)];
  const list = make("ul", { class: "parts", onkeydown: walk }, ...first);
  const more = rest.length ? make("details", { class: "more" }, make("summary", {}, `+ ${rest.length}`), make("ul", { class: "parts", onkeydown: walk }, ...rest)) : "";
  return place.replaceChildren(head, make("p", { class: "note" }, chosen.marksWords(answer.label)), list, more);
}

function markRow(part, most, stage) {
  const chosen = words(), forIt = part.evidence > 0;
  const spoken = `${part.name}: ${forIt ? chosen.speaksFor : chosen.speaksAgainst} ${signed(part.evidence)}, ${part.box ? chosen.presence(percent(part.presence)) : chosen.nowhere}`;
  const point = (name) => () => stage.point(name);
  return make("li", {}, make(
    "button",
    {
      type: "button", class: "part", "aria-label": spoken, "data-part": part.name, title: spoken,
      onpointerenter: point(part.name), onfocus: point(part.name), onclick: point(part.name),
      onpointerleave: point(null), onblur: point(null),
    },
    badge(part), stage.cutOut(part.box, 40) ?? make("span", { class: "blank" }),
    make("span", { class: "name" }, part.name), balance(part.evidence, most), make("span", { class: "figure" }, signed(part.evidence)),
  ));
}

export const badge = (part) =>
  make("span", { class: part?.number ? "badge" : "badge none", "--colour": part?.colour ?? "transparent" }, part?.number ? String(part.number) : "");

/** A bar to the right for, to the left against. */
export const balance = (value, most) =>
  make("span", { class: `balance ${value > 0 ? "for" : "against"}`, "--share": `${(50 * Math.abs(value)) / most}%`, "aria-hidden": "true" });

/** Arrow keys go from part to part. */
export function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

/** Show the nearest training pictures, where the service names some. */
export function showNear(place, { neighbours }) {
  const chosen = words();
  place.hidden = !neighbours.length;
  const tiles = neighbours.map((one) => make(
    "li", {},
    one.thumbnail ? make("img", { src: one.thumbnail, alt: "" }) : "",
    make("span", {}, one.label), make("span", { class: "figure" }, chosen.similarity(percent(Math.max(0, one.similarity)))),
  ));
  place.replaceChildren(make("h2", {}, chosen.nearHead), make("ul", { class: "tiles" }, ...tiles));
}
