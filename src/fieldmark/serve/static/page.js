// The page: a picture in, its name and reasons out, corrections back.

import * as api from "./api.js";
import { byId, make } from "./element.js";
import { openCamera } from "./camera.js";
import { showFeedback } from "./feedback.js";
import { clearSeveral, markChosen, nameSeveral, showSeveral, writeSeveral } from "./several.js";
import { Stage, COLOURS, NUMBERED } from "./stage.js";
import { showMarks, showNear, showVerdict } from "./verdict.js";
import { showWhy } from "./why.js";
import { applyWords, otherLanguage, words } from "./words.js";

const RETRIES = 3;

const state = {
  stage: new Stage(),
  service: null, // what /v1/models says
  known: null, // what /v1/classes says
  model: null,
  file: null,
  answer: null, // what /v1/predict says of the picture
  explanation: null,
  problem: null,
  busy: null, // stops what is being asked
  goOn: null, // what to do once there is a key
};

export const pictureIn = (transfer) => [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/") || !file.type);

async function begin() {
  try {
    state.service = await api.models();
    state.model ??= state.service.models[0].name;
    state.known = await api.classes(state.model);
    clearProblem();
  } catch (problem) {
    showProblem(problem, begin);
  }
  showService();
}

function showService() {
  const chosen = words(), service = state.service;
  byId("known").hidden = !state.known;
  if (!service || !state.known) return;
  const { name, version } = state.known.model;
  byId("about").textContent = chosen.about(name, version);
  byId("known-count").textContent = chosen.knows(state.known.classes.length);
  byId("known-list").replaceChildren(...state.known.classes.map((one) => make("li", {}, one.name)));
  byId("model-choice").hidden = service.models.length < 2;
  byId("model").replaceChildren(...service.models.map((one) => make("option", { value: one.name, selected: one.name === state.model }, one.name)));
}

/** Ask; while the service is busy, wait as long as it says and ask again, a few times. */
async function patiently(call, signal) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await call();
    } catch (problem) {
      if (problem.code !== "busy" || tries === RETRIES) throw problem;
      for (let left = Math.max(1, problem.wait); left > 0; left -= 1) {
        say(words().waiting(left));
        await new Promise((resolve) => setTimeout(resolve, 1000));
        signal.throwIfAborted();
      }
    }
  }
}

/** Look at the first of some files; several are shown in a row to choose from. */
function lookAtAll(files) {
  if (!files.length) return showProblem(new api.Problem("no_picture"));
  if (files.length > 1) showSeveral(files, state.model, look);
  else clearSeveral();
  look(files[0]);
}

async function look(file) {
  if (state.service && file.size > state.service.max_request_bytes) return showProblem(new api.Problem("too_large"));
  state.busy?.abort();
  const { signal } = (state.busy = new AbortController());
  state.file = file;
  markChosen(file);
  clearProblem();
  byId("start").hidden = true;
  byId("result").hidden = true;
  document.body.classList.add("waits");
  say(words().looking);
  try {
    const [{ predictions, model }, bitmap] = await Promise.all([
      patiently(() => api.predict(file, state.model, signal), signal),
      createImageBitmap(file).catch(() => null),
    ]);
    const [answer] = predictions;
    if (answer.error) throw new api.Problem("bad_picture", answer.error);
    state.answer = { ...answer, version: model.version };
    state.explanation = null;
    showAnswer(bitmap);
    await compare(null);
  } catch (problem) {
    if (problem.name !== "AbortError") showProblem(problem, () => look(file));
  } finally {
    if (!signal.aborted) document.body.classList.remove("waits");
  }
}

/** Give the parts that say most their numbers and colours. */
function numbered(parts) {
  const sorted = [...parts].sort((a, b) => Math.abs(b.evidence) - Math.abs(a.evidence));
  let next = 1;
  return sorted.map((part) => {
    const number = part.box && next <= NUMBERED ? next++ : null;
    return { ...part, number, colour: number ? COLOURS[number - 1] : "#9aa5a0" };
  });
}

function showAnswer(bitmap) {
  const { answer } = state;
  answer.parts = numbered(answer.parts);
  byId("result").hidden = false;
  byId("caption").dataset.extra = bitmap ? "" : "cantShow";
  state.stage.show(bitmap, answer.size, answer.parts, answer.grid);
  showWords();
  say(words().done(answer.label));
  byId("label")?.focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

/** Write everything about the answer, in the chosen language. */
function showWords() {
  const { answer, stage } = state;
  if (!answer) return;
  const chosen = words(), extra = byId("caption").dataset.extra;
  byId("caption").textContent = [answer.parts.some((part) => part.number) ? chosen.caption : "", extra ? chosen[extra] : ""].join(" ").trim();
  const model = state.service?.models.find((one) => one.name === state.model);
  showVerdict(byId("verdict"), answer, state.known, model?.coverage);
  showMarks(byId("marks"), answer, stage);
  showNear(byId("near"), answer);
  drawWhy();
  showFeedback(byId("feedback"), state);
}

const drawWhy = () =>
  showWhy(byId("why"), { answer: state.answer, explanation: state.explanation, known: state.known, stage: state.stage, compare });

/** Ask why it is the label and not a rival; null is the next most probable. */
async function compare(rival) {
  const { answer, file } = state;
  const { signal } = state.busy;
  byId("why").classList.add("waits");
  try {
    const found = await patiently(() => api.explain(file, rival, state.model, signal), signal);
    if (answer !== state.answer) return;
    state.explanation = found;
    drawWhy();
    say("");
  } catch (problem) {
    if (problem.name !== "AbortError") showProblem(problem, () => compare(rival));
  } finally {
    byId("why").classList.remove("waits");
  }
}

function again() {
  state.busy?.abort();
  Object.assign(state, { file: null, answer: null, explanation: null });
  document.body.classList.remove("waits");
  clearSeveral();
  clearProblem();
  say("");
  byId("result").hidden = true;
  byId("start").hidden = false;
  byId("choose").focus();
}

const say = (text) => (byId("status").textContent = text);

function showProblem(problem, retry = null) {
  document.body.classList.remove("waits");
  say("");
  if (!(problem instanceof api.Problem)) console.error(problem);
  if (problem.code === "key_missing") {
    state.goOn = retry ?? begin;
    byId("key-dialog").showModal();
    return;
  }
  state.problem = { problem, retry };
  if (byId("result").hidden) byId("start").hidden = false;
  const [head, cure] = words().problems[problem.code] ?? words().problems.bug;
  byId("problem").replaceChildren(
    make("strong", {}, head), " ", make("span", {}, cure), " ",
    retry ? make("button", { type: "button", onclick: () => { clearProblem(); retry(); } }, words().retry) : "",
  );
  byId("problem").hidden = false;
}

function clearProblem() {
  state.problem = null;
  byId("problem").hidden = true;
}

function listen() {
  const drop = byId("drop");
  for (const id of ["file", "shot"]) {
    byId(id).addEventListener("change", ({ target }) => {
      if (target.files.length) lookAtAll([...target.files]);
      target.value = "";
    });
  }
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("camera").addEventListener("click", () => openCamera((shot) => lookAtAll([shot]), () => showProblem(new api.Problem("camera"))));
  drop.addEventListener("click", ({ target }) => target.closest("button") || byId("file").click());
  byId("again").addEventListener("click", again);
  byId("language").addEventListener("click", changeLanguage);
  byId("show-parts").addEventListener("change", ({ target }) => {
    state.stage.shown = target.checked;
    state.stage.draw();
  });
  byId("model").addEventListener("change", async ({ target }) => {
    state.model = target.value;
    await begin();
    nameSeveral(state.model);
    if (state.file) look(state.file);
  });
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    api.useKey(byId("key").value);
    byId("key").value = "";
    byId("key-dialog").close();
    begin().then(() => state.goOn !== begin && state.goOn?.());
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    const files = pictureIn(clipboardData);
    if (files.length) lookAtAll(files);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || document.body.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    lookAtAll(pictureIn(event.dataTransfer));
  });
}

function changeLanguage() {
  otherLanguage();
  showService();
  showWords();
  writeSeveral();
  if (state.problem) showProblem(state.problem.problem, state.problem.retry);
}

applyWords();
listen();
begin();
