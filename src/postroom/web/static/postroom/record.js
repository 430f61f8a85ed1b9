/* The page of a record: days between messages, long mails folded, remote pictures offered. */
(() => {
  "use strict";

  const each = (root, what, act) => root.querySelectorAll(what).forEach(act);
  const once = (element, name) => !element.dataset[name] && (element.dataset[name] = "1");
  const LONG = 760; /* pixels of a mail that is folded */

  /* ---------- frames: what the page around them has to know ---------- */

  function looked(frame) {
    const page = frame.contentDocument;
    const box = frame.closest(".pr-frame-box");
    if (!page || !page.body || !box || !page.body.childNodes.length) return;
    const bar = box.querySelector("[data-remote-bar]");
    if (bar) bar.hidden = !page.querySelector("img[data-remote]");
    const unfold = box.querySelector("[data-unfold]");
    if (!unfold || box.dataset.unfolded) return;
    const measure = () => {
      if (box.dataset.unfolded) return;
      const long = page.documentElement.getBoundingClientRect().height > LONG;
      box.classList.toggle("folded", long);
      unfold.hidden = !long;
    };
    measure();
    new ResizeObserver(measure).observe(page.body);
  }

  function frames(root) {
    each(root, ".pr-frame-box iframe.pr-frame", (frame) => {
      if (!once(frame, "looked")) return;
      frame.addEventListener("load", () => looked(frame));
      if (frame.contentDocument && frame.contentDocument.readyState === "complete") looked(frame);
    });
  }

  /* ---------- days: one line for each, wherever messages came from ---------- */

  function days() {
    const thread = document.getElementById("pr-thread");
    if (!thread) return;
    let day = null;
    [...thread.children].forEach((line) => {
      if (line.classList.contains("pr-day")) {
        const next = line.nextElementSibling;
        if (line.dataset.day === day || !next || next.dataset.day !== line.dataset.day) line.remove();
        else day = line.dataset.day;
      } else if (line.dataset.day && line.dataset.day !== day) day = line.dataset.day;
    });
  }

  /* ---------- a message that was asked for ---------- */

  function found() {
    const asked = location.hash.startsWith("#message-") && document.getElementById(location.hash.slice(1));
    each(document, ".pr-msg.found", (line) => line.classList.remove("found"));
    if (!asked) return;
    asked.classList.add("found");
    asked.scrollIntoView({ block: "center" });
  }

  /* ---------- the editor of a note ---------- */

  function notes(root) {
    each(root, "form[data-edit-note]", (form) => {
      if (!once(form, "wired")) return;
      const editor = form.querySelector(".pr-editor");
      editor.hidden = false;
      form.querySelector("[data-plain]").hidden = true;
      form.addEventListener("submit", () => (form.elements.html.value = editor.innerText.trim() || editor.querySelector("img") ? editor.innerHTML : ""), true);
      editor.addEventListener("paste", (event) => {
        event.preventDefault();
        document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
      });
      editor.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      });
      editor.focus();
    });
  }

  /* ---------- activities: drawn anew when something changed, unless somebody is at work in them ---------- */

  const busy = (list) => list.querySelector("details[open]") || list.contains(document.activeElement);

  document.addEventListener("postroom:changed", () => {
    const list = document.getElementById("pr-activities");
    /* asked in its own name: in the name of the page, it would push aside what else the page waits to ask, such as what was taken back */
    if (list && !busy(list)) htmx.ajax("GET", list.dataset.again, { source: list, target: list, swap: "outerHTML" });
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const list = event.detail.target;
    if (list.id === "pr-activities" && event.detail.requestConfig.verb === "get" && busy(list)) event.detail.shouldSwap = false;
  });

  /* ---------- small comforts ---------- */

  document.addEventListener("click", (event) => {
    const unfold = event.target.closest("[data-unfold]");
    if (unfold) {
      const box = unfold.closest(".pr-frame-box");
      box.dataset.unfolded = "1";
      box.classList.remove("folded");
      unfold.hidden = true;
    }
    const opens = event.target.closest("[data-open]");
    if (opens) {
      opens.closest("details").open = false;
      const summary = document.getElementById(opens.dataset.open);
      if (summary?.matches("[data-dialog]")) summary.click();
      else if (summary) {
        summary.parentElement.open = true;
        summary.focus();
      }
    }
  });

  /* One more thing that happened long ago, or just now, may have brought a day that stands there already. */
  document.addEventListener("htmx:afterSettle", days);
  document.addEventListener("htmx:oobAfterSwap", days);

  /* What comes in does not shut what a person is choosing among the followers: they are renewed once that is shut. */
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const open = event.detail.target.id === "pr-followers" && event.detail.target.querySelector("details[open]");
    if (!open) return;
    event.detail.shouldSwap = false;
    open.addEventListener("toggle", () => document.body.dispatchEvent(new CustomEvent("postroom:changed")), { once: true });
  });
  window.addEventListener("hashchange", found);
  document.addEventListener("DOMContentLoaded", () => {
    frames(document);
    notes(document);
    days();
    found();
  });
  document.addEventListener("htmx:load", (event) => {
    frames(event.detail.elt.parentElement || event.detail.elt);
    notes(event.detail.elt.parentElement || event.detail.elt);
  });
})();
