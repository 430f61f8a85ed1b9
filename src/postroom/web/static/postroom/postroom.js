/* What pages do beyond htmx: frames that fit their mail, the composer, live changes, small comforts. No build, no inline code. */
(() => {
  "use strict";

  const each = (root, what, act) => root.querySelectorAll(what).forEach(act);
  const PICTURE = /^image\/(png|jpeg|gif|webp)$/;
  const BLOCKS = "p, div, ul, ol, table, blockquote, h1, h2, h3, h4, h5, h6, pre, hr";
  const once = (element, name) => !element.dataset[name] && (element.dataset[name] = "1");

  /* ---------- frames: as high as what they show, in the page's colours ---------- */

  function fit(frame) {
    const page = frame.contentDocument;
    if (!page || !page.body) return;
    const grow = () => {
      frame.style.height = Math.ceil(page.documentElement.getBoundingClientRect().height) + "px";
    };
    dress(frame);
    grow();
    new ResizeObserver(grow).observe(page.body);
  }

  function dress(frame) {
    const root = frame.contentDocument && frame.contentDocument.documentElement;
    if (root) root.classList.toggle("dark", document.documentElement.classList.contains("dark"));
  }

  function frames(root) {
    each(root, "iframe.pr-frame", (frame) => {
      if (!once(frame, "fits")) return;
      frame.addEventListener("load", () => fit(frame));
      if (frame.contentDocument && frame.contentDocument.readyState === "complete" && frame.contentDocument.body.childNodes.length) fit(frame);
    });
  }

  new MutationObserver(() => each(document, "iframe.pr-frame", dress)).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["class"],
  });

  /* ---------- composer ---------- */

  function composers(root) {
    each(root, "form.pr-composer", (form) => {
      if (once(form, "wired")) composer(form);
    });
  }

  function composer(form) {
    const plain = form.querySelector("textarea[name=text]");
    const html = form.querySelector("input[name=html]");
    const editor = form.querySelector(".pr-editor");
    const draft = "postroom-draft-" + form.dataset.record;
    plain.hidden = true;
    plain.required = false;
    editor.hidden = false;
    each(form, ".pr-tools .rich", (tool) => (tool.hidden = false));
    try {
      document.execCommand("defaultParagraphSeparator", false, "p");
    } catch { /* an old browser writes divs: the server understands both */ }

    const kind = () => {
      form.dataset.kind = form.elements.kind.value;
      editor.dataset.placeholder = editor.getAttribute("data-" + form.dataset.kind);
    };
    each(form, "[name=kind]", (choice) => choice.addEventListener("change", kind));
    kind();

    editor.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text/plain");
      event.preventDefault();
      const files = [...event.clipboardData.files];
      if (files.length) {
        files.filter((file) => PICTURE.test(file.type)).forEach(picture);
        return add(files.filter((file) => !PICTURE.test(file.type)));
      }
      document.execCommand("insertText", false, text);
    });
    editor.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    each(form, "[data-edit]", (button) => {
      button.addEventListener("mousedown", (event) => event.preventDefault());
      button.addEventListener("click", () => edit(button.dataset.edit, button.dataset.ask));
    });

    function edit(what, question) {
      editor.focus();
      if (what !== "createLink") return document.execCommand(what);
      const address = (window.prompt(question, "https://") || "").trim();
      if (/^(https?:|mailto:)/i.test(address)) document.execCommand("createLink", false, address);
    }

    /* Pictures stand in the text; the server makes parts of them. */
    const picture = (file) => {
      const reader = new FileReader();
      reader.addEventListener("load", () => {
        editor.focus();
        const image = document.createElement("img");
        image.src = reader.result;
        image.alt = file.name;
        document.execCommand("insertHTML", false, image.outerHTML);
      });
      reader.readAsDataURL(file);
    };
    each(form, "[data-picture]", (field) =>
      field.addEventListener("change", () => {
        [...field.files].forEach(picture);
        field.value = "";
      })
    );
    each(form, "label.pr-btn[tabindex]", (label) =>
      label.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault(); /* or the space bar scrolls the page away as well */
        label.querySelector("input").click();
      })
    );

    /* Templates: the server fills them, the editor shows what came of it, and it can be changed before it leaves. */
    const tag = form.querySelector(".pr-from-template");
    form.addEventListener("click", async (event) => {
      const choice = event.target.closest("[data-fill]");
      if (choice) await fill(choice);
      if (event.target.closest("[data-untemplate]")) untemplate();
    });

    async function fill(choice) {
      const answer = await fetch(choice.dataset.fill, { headers: { Accept: "application/json" } });
      const said = answer.status === 200 || answer.status === 422 ? await answer.json() : {};
      choice.closest("details").open = false;
      if (!said.id) return window.alert(said.trouble || answer.statusText);
      if (editor.innerText.trim()) editor.insertAdjacentHTML("beforeend", said.html);
      else editor.innerHTML = said.html;
      form.elements.subject.value = said.subject;
      form.elements.template.value = said.id;
      tag.querySelector(".pr-cut").textContent = choice.dataset.name;
      tag.querySelector("[data-template-files]").textContent = said.files.join(", ");
      tag.hidden = false;
      editor.focus();
    }

    function untemplate() {
      if (!tag) return;
      form.elements.template.value = "";
      tag.hidden = true;
    }

    /* Whoever never said where he lives lives where his browser does. */
    const zone = form.elements.zone;
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && zone.value === "UTC" && here && form.querySelector("[data-zone]")) {
      zone.value = here;
      form.querySelector("[data-zone]").textContent = here;
    }

    /* Files: kept in a DataTransfer, so that each can be taken away again. */
    const chosen = form.querySelector("input[type=file][name=files]");
    const shown = form.querySelector(".pr-files[data-chosen]");
    let kept = new DataTransfer();
    let sent = null; /* the files of the last message, should it be taken back */
    chosen.addEventListener("change", () => add([...chosen.files]));
    form.addEventListener("dragover", (event) => event.preventDefault());
    form.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      add([...event.dataTransfer.files]);
    });

    function add(files) {
      files.forEach((file) => kept.items.add(file));
      list();
    }

    function list() {
      chosen.files = kept.files;
      shown.replaceChildren(...[...kept.files].map((file, place) => chip(file, place)));
    }

    function chip(file, place) {
      const box = document.createElement("span");
      const name = document.createElement("span");
      const remove = document.createElement("button");
      const cross = document.createElement("span");
      box.className = "pr-file";
      name.className = "pr-cut";
      name.textContent = `${file.name} (${size(file.size)})`;
      remove.type = "button";
      remove.setAttribute("aria-label", `${shown.dataset.remove} ${file.name}`);
      cross.className = "pr-icon";
      cross.textContent = "close";
      remove.append(cross);
      remove.addEventListener("click", () => {
        kept.items.remove(place);
        list();
      });
      box.append(name, remove);
      return box;
    }

    /* What was typed survives a reload and a failed send; what was taken back stands here again. */
    const initial = form.querySelector("template.pr-initial");
    editor.innerHTML = initial ? initial.innerHTML : "";
    const before = plain.value || sessionStorage.getItem(draft);
    if (before && !initial) editor.innerText = before;
    editor.addEventListener("input", () => !initial && sessionStorage.setItem(draft, editor.innerText.trim()));

    form.addEventListener("submit", sync, true);
    form.addEventListener("htmx:beforeRequest", (event) => {
      if (event.target !== form) return;
      if (!editor.innerText.trim() && !editor.querySelector("img") && !kept.files.length) editor.focus(); // the server says what is missing
    });
    form.addEventListener("htmx:afterRequest", (event) => {
      if (event.target !== form || !event.detail.successful) return;
      editor.innerHTML = "";
      html.value = plain.value = "";
      each(form, "[name=subject], [name=scheduled_at]", (field) => (field.value = ""));
      each(form, "details.pr-pop[open]", (open) => (open.open = false));
      untemplate();
      sessionStorage.removeItem(draft);
      sent = kept;
      kept = new DataTransfer();
      list();
      each(form, "#pr-extra [data-dropped]", (person) => person.remove());
      each(form, "[name=to_customer]", (box) => (box.checked = false));
      htmx.trigger(document.body, "postroom:people");
    });

    document.getElementById("pr-trouble")?.addEventListener("htmx:afterSwap", (event) => {
      const back = event.target.querySelector("template[data-draft]");
      if (back) give(back, event.target.querySelector("[data-files]"));
    });

    /* Taken back: the words go to where they were typed, above what was begun since. */
    function give(back, aboutFiles) {
      editor.prepend(back.content.cloneNode(true));
      each(form, `[name=kind][value="${back.dataset.kind}"]`, (choice) => (choice.checked = true));
      kind();
      if (sent && aboutFiles) {
        aboutFiles.remove();
        add([...sent.files]);
      }
      sent = null;
      sessionStorage.setItem(draft, editor.innerText.trim());
      editor.focus();
    }

    function sync() {
      html.value = editor.innerText.trim() || editor.querySelector("img") ? paragraphs(editor) : "";
    }
  }

  /* Browsers leave the first line bare and may write divs: all of it becomes paragraphs. */
  function paragraphs(editor) {
    const made = document.createElement("div");
    let open = null;
    [...editor.cloneNode(true).childNodes].forEach((node) => {
      if (/^(P|UL|OL|BLOCKQUOTE|H[1-6]|PRE|TABLE|HR)$/.test(node.nodeName) || (node.nodeName === "DIV" && (node.hasAttribute("style") || node.querySelector(BLOCKS)))) {
        made.append(node);
        open = null;
      } else if (node.nodeName === "DIV") {
        made.append(document.createElement("p"));
        made.lastChild.append(...node.childNodes);
        open = null;
      } else {
        if (!open) made.append((open = document.createElement("p")));
        open.append(node);
      }
    });
    return made.innerHTML;
  }

  function size(bytes) {
    const units = ["B", "kB", "MB", "GB"];
    const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
    return `${(bytes / 1000 ** step).toFixed(step && bytes < 10 * 1000 ** step ? 1 : 0)} ${units[step]}`;
  }

  /* ---------- live: one stream a page, its events are triggers for htmx ---------- */

  let stream = null;
  let heard = "";

  function live() {
    const address = heardBy([...document.querySelectorAll("[data-live]")].map((place) => place.dataset.live));
    if (address === heard || !window.EventSource) return;
    if (stream) stream.close();
    heard = address;
    stream = address ? new EventSource(address) : null;
    if (!stream) return;
    const lamp = (on) => each(document, ".pr-live", (element) => (element.dataset.on = on));
    let due = null;
    const changed = () => {
      if (due) return;
      due = setTimeout(() => {
        due = null;
        htmx.trigger(document.body, "postroom:changed");
      }, 150);
    };
    stream.addEventListener("open", () => lamp(true));
    stream.addEventListener("error", () => lamp(false));
    stream.addEventListener("changed", changed);
    stream.addEventListener("listed", () => document.body.dispatchEvent(new Event("postroom:listed")));
  }

  /* A list with a conversation beside it: both are heard of by one stream, as browsers open few. */
  function heardBy(places) {
    const list = places.find((place) => place.endsWith("/live/records/"));
    const record = places.find((place) => place.includes("/live/record/"));
    return list && record ? record.replace("/live/record/", "/live/records/") : list || places[0] || "";
  }

  window.addEventListener("pagehide", () => stream && stream.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    heard = "";
    live();
  });

  /* What a page shows and the record has no more was taken back. */
  document.addEventListener("htmx:afterSwap", (event) => {
    const news = event.target.id === "pr-newer" && event.target.querySelector("template[data-there]");
    if (!news) return;
    const there = news.dataset.there.trim().split(" ").filter(Boolean).map(Number);
    const start = there.length >= 100 ? Math.min(...there) : 0;
    each(document, "#pr-thread > li[id^=message-]", (line) => {
      const number = Number(line.id.slice(8));
      if (number > start && number <= Number(news.dataset.until) && number >= oldest() && !there.includes(number)) line.remove();
    });
  });

  const oldest = () => Number(document.querySelector("#pr-newer input[name=from]").value);

  /* ---------- undo: the seconds run down, then the button goes ---------- */

  function undo(root) {
    each(root, "form.pr-undo", (form) => {
      if (!once(form, "counts")) return;
      const over = performance.now() + form.dataset.left * 1000;
      const tick = () => {
        const left = Math.ceil((over - performance.now()) / 1000);
        if (left < 1 || !form.isConnected) return form.remove();
        form.querySelector("[data-seconds]").textContent = left;
        setTimeout(tick, 200);
      };
      tick();
    });
  }

  /* ---------- small comforts ---------- */

  function bulk(root) {
    each(root, "form.pr-bulk", (bar) => {
      if (!once(bar, "wired")) return;
      const name = bar.getAttribute("id"); /* bar.id would be its fields named "id" */
      const boxes = () => [...document.querySelectorAll(`input[type=checkbox][form="${name}"][name=id]`)];
      const tell = () => {
        const chosen = boxes().filter((box) => box.checked).length;
        bar.hidden = !chosen;
        bar.querySelector("[data-chosen]").textContent = chosen;
        each(document, "[data-all]", (all) => (all.checked = chosen > 0 && chosen === boxes().length));
      };
      document.addEventListener("change", (event) => {
        if (event.target.matches("[data-all]")) boxes().forEach((box) => (box.checked = event.target.checked));
        if (event.target.matches("[data-all]") || event.target.form === bar) tell();
      });
      document.addEventListener("htmx:afterSwap", tell);
      tell();
    });
  }

  function spoken(then) {
    const seconds = (then - Date.now()) / 1000;
    const words = document.querySelector("main.pr").dataset; // the server's own, so that one moment has one name
    if (Math.abs(seconds) < 60) return words.now;
    return (seconds < 0 ? words.ago : words.ahead).replace("{minutes}", Math.trunc(Math.abs(seconds) / 60));
  }

  function clocks() {
    each(document, ".pr time[datetime]", (time) => {
      const then = Date.parse(time.dateTime);
      if (Math.abs(then - Date.now()) < 3600e3) time.textContent = spoken(then);
    });
  }

  /* Without TLS a browser gives no clipboard: then the text is marked and copied in the old way. */
  async function copy(button, shown) {
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(shown.textContent);
    } catch {
      window.getSelection().selectAllChildren(shown);
      if (!document.execCommand("copy")) return;
    }
    label.textContent = button.dataset.done;
    setTimeout(() => (label.textContent = before), 2000);
  }

  document.addEventListener("click", (event) => {
    each(document, "details.pr-pop[open]", (open) => {
      if (!open.contains(event.target)) open.open = false;
    });
    if (!event.target.closest(".pr-picker")) each(document, ".pr-found", (found) => found.replaceChildren());
    const asks = event.target.closest("[data-confirm]");
    if (asks && !window.confirm(asks.dataset.confirm)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
    const every = event.target.closest("form[data-confirm-every] button");
    if (every && every.form.elements.every?.checked && !window.confirm(every.form.dataset.confirmEvery)) event.preventDefault();
    const drop = event.target.closest("[data-drop]");
    if (drop) {
      drop.closest("[data-dropped]").remove();
      htmx.trigger(document.body, "postroom:people");
    }
    const copies = event.target.closest("[data-copy]");
    if (copies) copy(copies, document.getElementById(copies.dataset.copy));
    const reveal = event.target.closest("[data-toggle]");
    if (reveal) document.getElementById(reveal.dataset.toggle).toggleAttribute("hidden");
  }, true);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    each(document, "details.pr-pop[open]", (open) => {
      open.open = false;
      open.querySelector("summary").focus();
    });
    each(document, ".pr-found", (found) => found.replaceChildren());
  });

  /* What somebody has ticked is not swept away by what has changed meanwhile. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "pr-rows" && event.detail.target.querySelector("input:checked")) event.detail.shouldSwap = false;
  });

  /* Somebody was chosen: the list under the field has done its work. */
  document.addEventListener("htmx:afterOnLoad", (event) => {
    const picker = event.detail.elt.closest(".pr-picker");
    if (!picker || event.detail.elt.matches("input")) return;
    each(picker, "input[type=search]", (field) => (field.value = ""));
    each(picker, ".pr-found", (found) => found.replaceChildren());
    const pop = picker.closest("details.pr-pop");
    if (pop) pop.open = false;
  });

  /* A refused change (403, 409, 422) still brings a page's piece that says why. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if ([403, 409, 413, 422].includes(event.detail.xhr.status) && event.detail.xhr.getResponseHeader("X-Postroom-Piece")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  function wire(root) {
    each(root, "input[type=file]", (field) => (field.hasChangeListener = true)); /* or unfold looks for its own widget around it, and fails */
    frames(root);
    composers(root);
    bulk(root);
    undo(root);
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (matchMedia("(max-width: 1080px)").matches) each(document, "details[data-fold]", (fold) => (fold.open = false));
    each(document, ".pr-tabs [aria-current]", (tab) => {
      const tabs = tab.closest(".pr-tabs");
      tabs.scrollLeft += tab.getBoundingClientRect().right - tabs.getBoundingClientRect().right + 4; /* to the right alone: it cannot be less than 0 */
    });
    wire(document);
    live();
    clocks();
    setInterval(clocks, 30e3);
  });
  document.addEventListener("htmx:load", (event) => {
    wire(event.detail.elt);
    live();
  });
})();
