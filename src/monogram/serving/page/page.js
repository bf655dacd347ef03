// The page: everything it shows comes from the same routes that any client has. No build step, no outside host.

const $ = (id) => document.getElementById(id);
const state = { user: "alice", model: "", turns: [], generation: 0 };

function element(tag, given = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), given);
  made.append(...inside);
  return made;
}

async function call(method, path, body) {
  const headers = $("key").value ? { Authorization: `Bearer ${$("key").value}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) document.body.classList.add("keyed");
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(told.error?.message ?? `The server said ${answer.status}.`), { status: answer.status });
  }
  return answer;
}

const json = async (...given) => (await call(...given)).json();
const whose = (more = {}) => new URLSearchParams({ user_id: state.user, ...more });

function tell(text, wrong = false) {
  $("job").textContent = text;
  $("job").classList.toggle("danger", wrong);
}

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const line = rest.slice(0, end).split("\n").find((l) => l.startsWith("data: "));
      if (line) yield line.slice(6);
    }
  }
}

// Chat

async function write(place, user, messages) {
  const body = { model: state.model, messages, max_tokens: 200, stream: true, ...(user ? { user } : {}) };
  try {
    for await (const data of events(await call("POST", "v1/chat/completions", body))) {
      if (data === "[DONE]") break;
      place.textContent += JSON.parse(data).choices[0]?.delta?.content ?? "";
    }
  } catch (error) {
    place.textContent = error.message;
    place.classList.add("danger");
  }
  return place.textContent;
}

async function ask(question) {
  const base = element("p"), own = element("p");
  base.dataset.whose = "base model";
  own.dataset.whose = `${state.user}'s model`;
  const turn = element("article", { className: "turn" }, element("p", { className: "asked", textContent: question }),
    element("div", { className: "both" }, base, own));
  $("answers").append(turn);
  turn.scrollIntoView({ block: "nearest" });
  const before = (side) => state.turns.flatMap((t) => [{ role: "user", content: t.question }, { role: "assistant", content: t[side] }]);
  const now = { role: "user", content: question };
  const generation = state.generation;
  const [baseSaid, ownSaid] = await Promise.all([
    write(base, null, [...before("base"), now]), write(own, state.user, [...before("own"), now])]);
  if (generation === state.generation) state.turns.push({ question, base: baseSaid, own: ownSaid });
}

function clear() {
  state.turns = [];
  state.generation += 1;
  $("answers").replaceChildren();
}

// What is known

async function follow(begun) {
  if (!begun.job) return tell("There was nothing about you in it. Say what you like, have, are or avoid.");
  $("bar").hidden = false;
  $("bar").removeAttribute("value");
  tell("Waiting for its turn ...");
  try {
    for await (const data of events(await call("GET", `v1/jobs/${begun.job}/events`))) {
      const job = JSON.parse(data);
      if (job.progress?.total) {
        tell(`${job.progress.what} ...`);
        $("bar").max = job.progress.total;
        $("bar").value = job.progress.done;
      }
      if (job.status === "done") tell(receipt(job.receipt) || "Done.");
      if (job.status === "refused" || job.status === "failed") tell(job.error, true);
    }
  } finally {
    $("bar").hidden = true;
  }
  await show();
}

function receipt(figures) {
  if (!figures) return "";
  const told = ["recall", "leak", "crosstalk"].filter((name) => typeof figures[name] === "number");
  return told.map((name) => `${name} ${figures[name].toFixed(2)}`).join(", ");
}

async function change(method, path, body) {
  try {
    await follow(await json(method, path, body));
  } catch (error) {
    tell(error.message, true);
  }
}

async function sure(text) {
  $("sure-text").textContent = text;
  $("sure").returnValue = "no";
  $("sure").showModal();
  await new Promise((done) => $("sure").addEventListener("close", done, { once: true }));
  return $("sure").returnValue === "yes";
}

function memory(one) {
  const { attribute, target, polarity } = one.metadata;
  const form = element("form", { className: "row", hidden: true },
    element("input", { value: target, required: true, maxLength: 400, ariaLabel: `New value for ${attribute}` }), element("button", { textContent: "Save" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change("PUT", `v1/memories/${one.id}`, { user_id: state.user, target: form.querySelector("input").value });
  });
  const button = (textContent, does, more = {}) => {
    const made = element("button", { type: "button", textContent, ariaLabel: `${textContent} ${attribute}: ${target}`, ...more });
    made.addEventListener("click", does);
    return made;
  };
  return element("li", {},
    element("strong", { textContent: `${attribute}: ` }), polarity === "avoids" ? `no ${target}` : target,
    ...(one.memory === `${attribute}: ${target}` ? [] : [element("div", { className: "quiet", textContent: `“${one.memory}”` })]),
    element("div", { className: "row" },
      button("Change", () => { form.hidden = !form.hidden; if (!form.hidden) form.querySelector("input").focus(); }),
      button("Forget", () => change("DELETE", `v1/memories/${one.id}?${whose()}`)),
      button("Erase", async () => {
        if (await sure(`Take “${attribute}: ${target}” out for good, from every old version too?`))
          change("DELETE", `v1/memories/${one.id}?${whose({ erase: "true" })}`);
      }, { className: "danger" })),
    form);
}

function version(entry) {
  const sign = { added: "+", replaced: "−", forgotten: "−" };
  const told = entry.changes.map((c) => c.memory ? `${sign[c.event] ?? ""} ${c.memory.metadata.attribute}: ${c.memory.metadata.target}`
    : c.restored ? `back to version ${c.restored}` : "something was erased");
  const back = element("button", { type: "button", textContent: "Go back to this", ariaLabel: `Go back to version ${entry.version}` });
  back.addEventListener("click", () => change("POST", `v1/memories/rollback?${whose({ version: entry.version })}`));
  return element("li", {},
    element("strong", { textContent: `${entry.version}${entry.present ? " (now)" : ""} ` }),
    element("time", { className: "quiet", dateTime: entry.time ?? "", textContent: entry.time ? new Date(entry.time).toLocaleString() : "" }),
    ...told.map((text) => element("div", { textContent: text })),
    element("div", { className: "quiet", textContent: receipt(entry.receipt) }),
    ...(entry.present || !entry.time ? [] : [back]));
}

async function show() {
  const found = async (path) => json("GET", `${path}?${whose()}`).then((told) => told.results, (error) => {
    if (error.status !== 404) tell(error.message, true);
    return [];
  });
  const [known, past] = await Promise.all([found("v1/memories"), found("v1/memories/history")]);
  $("known").replaceChildren(...(known.length ? known.map(memory) : [element("li", { className: "quiet", textContent: "Nothing yet. Add a sentence about yourself." })]));
  $("history").replaceChildren(...past.reverse().map(version));
  $("undo").disabled = past.length < 2;
  $("forget-all").disabled = past.length < 1;
  $("export").hidden = past.length < 1;
}

async function frontier() {
  const { candidates = [] } = await json("GET", "v1/frontier").catch(() => ({}));
  $("frontier").hidden = !candidates.length;
  const at = (x, y) => [30 + 280 * x, 190 - 170 * y];
  const svg = (tag, given, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(given)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const [x0, y0] = at(0, 0), [x1, y1] = at(1, 1);
  $("plot").replaceChildren(
    svg("line", { class: "axis", x1: x0, y1: y0, x2: x1, y2: y0 }), svg("line", { class: "axis", x1: x0, y1: y0, x2: x0, y2: y1 }),
    svg("text", { x: 150, y: 212 }, "fires at others' questions"), svg("text", { x: 4, y: 14 }, "fires at own questions"),
    ...candidates.map((one) => {
      const [cx, cy] = at(one.leak, one.recall);
      const dot = svg("circle", { cx, cy, r: one.chosen ? 6 : 3, class: one.chosen ? "chosen" : "" });
      dot.append(svg("title", {}, `layer ${one.layer}, threshold ${one.threshold}: own ${one.recall.toFixed(2)}, others ${one.leak.toFixed(2)}`));
      return dot;
    }));
}

async function open() {
  state.user = $("user").value.trim();
  $("whose").textContent = `${state.user}'s model`;
  clear();
  tell("");
  try {
    state.model = (await json("GET", "v1/models")).data[0].id;
    $("model").textContent = `Model: ${state.model}`;
    await Promise.all([show(), frontier()]);
  } catch (error) {
    tell(error.message, true);
  }
}

const on = (id, kind, does) => $(id).addEventListener(kind, (event) => { event.preventDefault(); does(); });
on("who", "submit", open);
on("ask", "submit", () => { ask($("question").value); $("question").value = ""; });
on("add", "submit", () => { change("POST", "v1/memories", { user_id: state.user, messages: $("sentence").value }); $("sentence").value = ""; });
on("clear", "click", clear);
on("undo", "click", () => change("POST", `v1/memories/rollback?${whose()}`));
on("forget-all", "click", async () => {
  if (await sure(`Take everything about ${state.user} out for good? Nothing brings it back.`)) change("DELETE", `v1/memories?${whose({ erase: "true" })}`);
});
on("export", "click", async () => {
  const text = await (await call("GET", `v1/memories/export?${whose()}`)).text();
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/yaml" })), download: `${state.user}.yaml` });
  link.click();
  URL.revokeObjectURL(link.href);
});
open();
