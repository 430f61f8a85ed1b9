/* The desk: a list with the conversation beside it, things done to many, and keys. No build, no inline code. */
(() => {
  "use strict";

  const find = (what, root = document) => root.querySelector(what);
  const all = (what, root = document) => [...root.querySelectorAll(what)];
  const desk = () => find("[data-desk]");
  const pane = () => find("#pr-pane");
  const paneIsShown = () => Boolean(pane() && pane().offsetParent);
  const RECORD = /^\/records\/(\d+)\/$/;
  const NARROW = 900; /* pixels: a pane narrower than that begins with its details folded */
  const LISTEN_PAUSE = 2000; /* milliseconds between two looks for new rows */

  const recordAt = (href) => {
    const place = new URL(href, location.href);
    return place.origin === location.origin && (place.pathname.match(RECORD) || [])[1];
  };

  /* ---------- the pane ---------- */

  let listAddress = location.pathname + location.search;
  let opened = null;
  let emptyPane = null;

  async function open(href, { push = true, focus = false } = {}) {
    const place = new URL(href, location.href);
    const number = recordAt(href);
    const asked = (opened = { number });
    let answer;
    try {
      answer = await fetch(place.pathname + place.search, { headers: { "HX-Request": "true" } });
    } catch {
      return location.assign(href);
    }
    if (opened !== asked) return; /* another one was opened meanwhile */
    if (!answer.ok || answer.redirected) return location.assign(href);
    const text = await answer.text();
    if (opened !== asked) return;
    if (push) history.pushState({ postroomPane: place.href, list: listAddress }, "", place.href);
    if (!emptyPane) emptyPane = pane().innerHTML;
    htmx.swap(pane(), text, { swapStyle: "innerHTML", swapDelay: 0, settleDelay: 0 });
    pane().scrollTop = 0;
    if (pane().clientWidth < NARROW) all("details[data-fold]", pane()).forEach((fold) => (fold.open = false));
    mark(number);
    const target = place.hash && document.getElementById(place.hash.slice(1));
    if (target) target.scrollIntoView({ block: "center" });
    if (focus) pane().focus({ preventScroll: true });
    document.dispatchEvent(new Event("postroom:pane"));
  }

  function close({ push = true } = {}) {
    if (!opened) return;
    opened = null;
    if (emptyPane !== null) htmx.swap(pane(), emptyPane, { swapStyle: "innerHTML", swapDelay: 0, settleDelay: 0 });
    if (push) history.pushState(null, "", listAddress);
    mark(null);
    document.dispatchEvent(new Event("postroom:pane"));
  }

  function mark(number) {
    all(".pr-line > .pr-item").forEach((item) => {
      if (number && recordAt(item.href) === number) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    });
  }

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const item = event.target.closest("#pr-found .pr-line > .pr-item");
    if (item && recordAt(item.href) && paneIsShown()) {
      event.preventDefault();
      open(item.href);
    }
    if (event.target.closest("[data-pane-close]")) {
      close();
      current()?.focus();
    }
  });

  window.addEventListener("popstate", (event) => {
    if (!desk()) return;
    if (event.state && event.state.postroomPane) {
      if (event.state.list === listAddress && paneIsShown()) open(event.state.postroomPane, { push: false });
      else location.reload();
    } else if (location.pathname + location.search === listAddress) close({ push: false });
    else location.reload();
  });

  /* What is changed in the pane stays in the pane. */
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("#pr-chosen, .pr-done, [data-undo-form]") && desk()) {
      event.preventDefault();
      return act(form, event.submitter);
    }
    if (!form.closest("#pr-pane") || form.method !== "post" || form.hasAttribute("hx-post") || event.defaultPrevented) return;
    event.preventDefault();
    const answer = await send(form.action, new FormData(form, event.submitter));
    const leads = answer.headers.get("HX-Redirect") || (answer.redirected && answer.url);
    if (leads) follow(leads);
    else location.assign(form.action);
  });

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const leads = event.detail.xhr.getResponseHeader("HX-Redirect");
    if (!leads || !event.target.closest?.("#pr-pane") || recordAt(leads) !== opened?.number) return;
    event.preventDefault();
    follow(leads);
  });

  const follow = (leads) => (opened && recordAt(leads) === opened.number ? open(leads, { push: false }) : location.assign(leads));

  function send(address, body) {
    return fetch(address, { method: "POST", body, headers: { "HX-Request": "true" }, redirect: "follow" });
  }

  /* On a wide screen list and conversation are as high as the window lets them be. */
  function fit() {
    const panes = find(".pr-panes");
    if (panes) document.documentElement.style.setProperty("--pr-desk-top", `${Math.round(panes.getBoundingClientRect().top + window.scrollY)}px`);
  }
  window.addEventListener("resize", fit);
  document.addEventListener("DOMContentLoaded", fit);

  /* ---------- the filter ---------- */

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target.id !== "pr-filter") return;
    const asked = event.detail.parameters;
    for (const name of [...Object.keys(asked)]) if (!asked[name]) delete asked[name];
    if (!Object.keys(asked).length) asked.state = "open"; /* a bare address means one's own default view */
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "pr-found" && event.detail.requestConfig?.elt?.id === "pr-filter") {
      const asked = event.detail.pathInfo.finalRequestPath;
      const place = new URL(asked, location.href);
      listAddress = desk().dataset.place + place.search;
      if (!opened) history.replaceState(null, "", listAddress);
      all("[data-asked] input[name=asked]").forEach((field) => (field.value = place.search.slice(1)));
      all("#pr-chosen input[name=back], [data-asked] input[name=back]").forEach((field) => (field.value = listAddress));
    }
    if (event.target.closest?.("#pr-found")) mark(opened?.number);
    if (event.target.id === "pr-found" && focused) (items().find((item) => item.href === focused) || items()[0])?.focus({ preventScroll: true });
  });

  /* Who went into the list while it was still being asked for stays on the row that he went to. */
  let focused = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target.id === "pr-found") focused = document.activeElement?.closest?.("#pr-found .pr-item")?.href || "";
  });

  /* ---------- new rows come in on top ---------- */

  let looks = null;
  let wasHeard = false;

  document.addEventListener("DOMContentLoaded", () => document.body.addEventListener("postroom:listed", soon));

  /* What is heard of while a look is under way may have come too late for it: then another one follows, also after one that failed. */
  function soon() {
    wasHeard = true;
    if (!desk() || looks) return;
    looks = setTimeout(async () => {
      wasHeard = false;
      try {
        await look();
      } finally {
        looks = null;
        if (wasHeard) soon();
      }
    }, document.hidden ? 10 * LISTEN_PAUSE : LISTEN_PAUSE);
  }

  async function look() {
    const rows = find("#pr-rows");
    if (!rows || !rows.dataset.since || new URLSearchParams(new URL(listAddress, location.href).search).get("q")) return;
    const place = new URL(listAddress, location.href);
    place.searchParams.delete("after");
    place.searchParams.set("since", rows.dataset.since);
    const answer = await fetch(place, { headers: { "HX-Request": "true" } });
    if (!answer.ok || !answer.headers.get("X-Postroom-Now")) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = await answer.text();
    if (find("#pr-rows") !== rows) return; /* the filter changed meanwhile */
    rows.dataset.since = answer.headers.get("X-Postroom-Now");
    const lines = [...fresh.content.querySelectorAll("li.pr-line")];
    if (lines.length) find(".pr-empty", rows)?.closest("li").remove();
    lines.forEach((line) => put(line, rows));
    mark(opened?.number);
  }

  /* A row stands where its time puts it; what is chosen, open or held by the keyboard stays so. */
  function put(line, rows) {
    const known = document.getElementById(line.id);
    if (known && same(known, line)) return;
    const held = known && known.contains(document.activeElement);
    const box = known && find("input[name=id]", known);
    if (box && box.checked) find("input[name=id]", line).checked = true;
    if (known) known.remove();
    const later = all(":scope > .pr-line", rows).find((one) => written(one) < written(line));
    rows.insertBefore(line, later || find(":scope > .pr-more", rows));
    if (!known) line.classList.add("is-fresh");
    htmx.process(line);
    if (held) find(".pr-item", line).focus({ preventScroll: true });
  }

  const written = (line) => find("input[name=id]", line).value.split("@")[1];
  const same = (one, other) => find("input[name=id]", one)?.value === find("input[name=id]", other)?.value && one.className.replace(" is-fresh", "") === other.className;

  /* ---------- done to many ---------- */

  let hiding = null;

  async function act(form, button) {
    const body = new FormData(form, button);
    const place = new URL(listAddress, location.href);
    body.set("list", place.search);
    body.set("kind", desk().dataset.kind);
    const answer = await send(form.action, body);
    if (!answer.ok) return location.assign(listAddress);
    settle(await answer.text(), body.getAll("id").map((text) => text.split("@")[0]));
  }

  function settle(text, numbers) {
    const said = document.createElement("template");
    said.innerHTML = text;
    const rows = find("#pr-rows");
    const news = said.content.querySelector("template[data-gone]");
    const gone = (news.dataset.gone || "").split(" ").filter(Boolean);
    const next = after(gone);
    const wasHeld = current() && gone.includes(recordAt(current().href));
    gone.forEach((number) => document.getElementById(`record-${number}`)?.remove());
    news.content.querySelectorAll("li.pr-line").forEach((line) => put(line, rows));
    chooseNothing();
    all("#pr-chosen details[open]").forEach((pop) => (pop.open = false));
    tell(said.content.querySelector("[data-said]"));
    if (opened && gone.includes(opened.number)) {
      if (next && paneIsShown()) open(next.href);
      else close();
    } else if (opened && numbers.includes(opened.number)) open(`/records/${opened.number}/`, { push: false });
    if (wasHeld || !document.activeElement || document.activeElement === document.body) next?.focus();
    mark(opened?.number);
  }

  /* The row after the last of these, else the one before the first. */
  function after(gone) {
    const lines = all("#pr-rows > .pr-line");
    const isGone = (line) => gone.includes(line.id.slice(7));
    const last = lines.findLastIndex(isGone);
    if (last < 0) return null;
    const line = lines.slice(last + 1).find((one) => !isGone(one)) || lines.slice(0, last).findLast((one) => !isGone(one));
    return line ? find(".pr-item", line) : null;
  }

  function tell(said) {
    const toast = find("#pr-toast");
    toast.replaceChildren(said);
    toast.dataset.shown = "";
    htmx.process(toast);
    clearTimeout(hiding);
    const hide = () => {
      if (toast.matches(":hover, :focus-within")) return (hiding = setTimeout(hide, 4000));
      delete toast.dataset.shown;
    };
    hiding = setTimeout(hide, 12000);
  }

  /* ---------- choosing rows ---------- */

  const boxes = () => all("#pr-rows input[name=id]");
  let lastBox = null;

  function chooseNothing() {
    const every = find("#pr-chosen [data-all]");
    every.checked = false;
    every.dispatchEvent(new Event("change", { bubbles: true })); /* the bar counts again, and goes */
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("#pr-rows input[name=id]");
    if (!box) return;
    if (event.shiftKey && lastBox?.isConnected) {
      const known = boxes();
      const [from, to] = [known.indexOf(lastBox), known.indexOf(box)].sort((a, b) => a - b);
      known.slice(from, to + 1).forEach((one) => (one.checked = box.checked));
      box.dispatchEvent(new Event("change", { bubbles: true }));
    }
    lastBox = box;
  });

  /* ---------- keys: only single ones, only outside of fields, only for who wants them ---------- */

  const items = () => all("#pr-found .pr-line > .pr-item").filter((item) => item.offsetParent);
  const current = () => items().find((item) => item.closest(".pr-line").contains(document.activeElement)) || items().find((item) => item.hasAttribute("aria-current"));
  const isTyping = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]:not([contenteditable=false]), dialog, .cm-editor");
  const PLACES = { h: "/", i: "/records/", q: "/queue/" };
  let going = 0;

  function step(by) {
    const known = items();
    if (!known.length) return;
    const at = known.indexOf(current());
    const next = known[Math.min(Math.max(at + by, 0), known.length - 1)];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    if (next === known[known.length - 1]) find("#pr-rows .pr-more a, #pr-hits .pr-more a")?.click();
  }

  async function write(kind) {
    const here = desk() && current(); /* the row that the keyboard holds comes before what is open already */
    if (here && recordAt(here.href) !== opened?.number) {
      if (!paneIsShown()) return here.click();
      await open(here.href);
    }
    const form = find("form.pr-composer");
    if (!form) return;
    const choice = find(`[name=kind][value="${kind}"]`, form);
    if (choice && !choice.checked) choice.click();
    const field = all(".pr-editor, [contenteditable=true], textarea", form).find((one) => one.offsetParent);
    form.scrollIntoView({ block: "nearest" });
    field?.focus();
  }

  function done() {
    const chosen = boxes().filter((box) => box.checked);
    if (chosen.length) return find('#pr-chosen [value="done:1"]')?.click();
    const here = current();
    const box = here && find("input[name=id]", here.closest(".pr-line"));
    if (box && !here.closest(".pr-line").classList.contains("is-done")) {
      box.checked = true;
      return find('#pr-chosen [value="done:1"]')?.click();
    }
    find('.pr-done [value="done:1"]')?.click();
  }

  function pick() {
    const box = current() && find("input[name=id]", current().closest(".pr-line"));
    if (!box) return;
    box.checked = !box.checked;
    lastBox = box;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function leave() {
    const chosen = boxes().filter((box) => box.checked);
    if (chosen.length) chooseNothing();
    else if (opened) {
      const here = current();
      close();
      here?.focus();
    }
  }

  const help = () => {
    const dialog = find("#pr-keys");
    if (dialog && !dialog.open) dialog.showModal();
  };

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    o: () => current()?.click(),
    x: pick,
    e: done,
    r: () => write("comment"),
    n: () => write("note"),
    z: () => find("#pr-toast[data-shown] [data-undo-form] button")?.click(),
    "/": () => find("#pr-q, .pr-search input")?.select(),
    "?": help,
  };

  const usesKeys = () => find("main.pr")?.dataset.keys === "on";

  document.addEventListener("keydown", (event) => {
    if (!usesKeys() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") {
      if (event.target.id === "pr-q" && items().length) {
        event.preventDefault(); /* or the browser empties the field, and with it the list */
        return (current() || items()[0]).focus();
      }
      if (!isTyping(event.target) && !find("details.pr-pop[open], dialog[open]")) leave();
      return;
    }
    if (isTyping(event.target) || find("dialog[open]")) return;
    if (going && event.timeStamp - going < 1500 && PLACES[event.key]) {
      going = 0;
      event.preventDefault();
      return location.assign(PLACES[event.key]);
    }
    going = event.key === "g" ? event.timeStamp : 0;
    const does = KEYS[event.key];
    if (!does || (event.repeat && !"jk".includes(event.key))) return;
    event.preventDefault();
    does();
  });

  document.addEventListener("click", (event) => event.target.closest("[data-keys-help]") && help());
})();
