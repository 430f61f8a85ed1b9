/* The composer: editor, files, drafts, mentions, templates, quotations, the toast that takes back. The editor is Squire; what it may hold
   says pasting.js. What is written is a draft on the server; nothing is kept in the browser. No build, no inline code.

   Laws: a window never overwrites words that it has not seen; nothing is sent while something is still being saved or uploaded; without this
   script the form has a plain field and works. */
(() => {
  "use strict";

  const each = (root, what, act) => root.querySelectorAll(what).forEach(act);
  const PICTURE = /^image\/(png|jpeg|gif|webp)$/;
  const SAVE_AFTER = 1000; // milliseconds without a key
  const TRY_AGAIN = 5000;
  const ASKED = /(^|[\s(])@([\p{L}\p{N}._-]{0,40})$/u;
  const wired = new WeakMap();

  function composer(form) {
    const find = (what) => form.querySelector(what);
    const { own, pasted, PICTURES } = window.PostroomPasting;
    const plain = find("textarea[name=text]");
    const html = find("input[name=html]");
    const box = find(".pr-editor");
    const isDraft = Boolean(form.dataset.draft);
    const token = form.elements.csrfmiddlewaretoken.value;
    let isOwn = false;

    const editor = new window.Squire(box, {
      blockTag: "P",
      sanitizeToDOMFragment: (text) => (isOwn ? own(text) : pasted(text)),
      undo: { documentSizeThreshold: 200000, undoLimit: 60 },
    });
    plain.closest("label").hidden = true;
    plain.disabled = true;
    box.hidden = false;
    each(form, ".rich", (tool) => (tool.hidden = false));
    form.classList.add("live");

    function put(act) {
      isOwn = true;
      try {
        act();
      } finally {
        isOwn = false;
      }
    }

    const initial = find("template.pr-initial");
    put(() => editor.setHTML(initial ? initial.innerHTML : ""));

    /* ---------- what it holds ---------- */

    const isEmpty = () => !box.textContent.trim() && !box.querySelector("img, table, hr");
    const mentioned = () => [...box.querySelectorAll("span[data-mention]")].filter((one) => !one.closest("blockquote")).map((one) => one.dataset.mention);
    let people = "";

    function sync() {
      const made = box.cloneNode(true);
      each(made, "[contenteditable]", (one) => one.removeAttribute("contenteditable"));
      each(made, "p > br:last-child, li > br:last-child", (one) => one.previousSibling && !one.nextSibling && one.previousSibling.nodeName !== "BR" && one.remove());
      while (made.lastElementChild && made.lastElementChild.matches("p") && !made.lastElementChild.textContent.trim() && !made.lastElementChild.querySelector("img")) made.lastElementChild.remove();
      html.value = isEmpty() ? "" : made.innerHTML.replaceAll("\u200b", "");
      const ids = [...new Set(mentioned())];
      find("[data-mentions]")?.replaceChildren(...ids.map((id) => Object.assign(document.createElement("input"), { type: "hidden", name: "mention", value: id })));
      return ids.join();
    }

    function changed() {
      box.toggleAttribute("data-empty", isEmpty());
      const now = sync();
      if (now !== people) {
        people = now;
        htmx.trigger(document.body, "postroom:people");
      }
    }

    /* ---------- one line until somebody writes ---------- */

    const hasFiles = () => Boolean(form.querySelector("[data-size], [data-uploading] > *, #pr-extra [data-dropped]"));
    const isUntouched = () => isEmpty() && !hasFiles() && !form.elements.subject?.value && !form.elements.template?.value;
    const open = () => form.classList.remove("closed");

    /* The closed line says to whom, so it is a message again. The focus stays in the form, at what is still seen of it. */
    function shut() {
      if (!isDraft) return;
      const held = form.contains(document.activeElement);
      const first = find("[name=kind][value=comment]");
      if (isUntouched() && !first.checked) {
        first.checked = true;
        kind();
        htmx.trigger(document.body, "postroom:people");
      }
      form.classList.add("closed");
      if (held) find("[name=kind]:checked").focus({ preventScroll: true });
    }

    if (isDraft) {
      box.addEventListener("focus", open);
      find("[data-shut]").addEventListener("click", () => {
        expand(false);
        shut();
      });
      form.addEventListener("change", (event) => event.target.name !== "kind" && open());
      each(form, ".pr-composer-tabs label", (label) =>
        label.addEventListener("click", (event) => {
          if (event.target.matches("input") || !form.classList.contains("closed")) return;
          open();
          setTimeout(() => editor.focus()); /* the click goes on to the choice, which would take the focus */
        })
      );
      each(form, "[name=kind]", (choice) => {
        choice.addEventListener("change", open);
        choice.addEventListener("keydown", (event) => {
          if (!form.classList.contains("closed") || (event.key !== "Enter" && event.key !== " ")) return;
          event.preventDefault();
          editor.focus();
        });
      });
      form.addEventListener("click", (event) => event.target === form && form.classList.contains("closed") && editor.focus());
    }

    const kind = () => {
      form.dataset.kind = form.elements.kind.value;
      box.dataset.placeholder = box.getAttribute("data-" + form.dataset.kind);
    };
    each(form, "[name=kind]", (choice) => choice.addEventListener("change", kind));
    kind();
    editor.addEventListener("input", () => {
      changed();
      later();
    });
    form.addEventListener("submit", sync, true);
    form.addEventListener("click", (event) => event.target.closest("[data-save-template]") && sync(), true);

    /* ---------- toolbar ---------- */

    const inside = (tag) => new RegExp(`(^|>)${tag}\\b`).test(editor.getPath());
    const EDITS = {
      bold: ["B", "bold", "removeBold"], italic: ["I", "italic", "removeItalic"], strikethrough: ["S", "strikethrough", "removeStrikethrough"],
      unordered: ["UL", "makeUnorderedList", "removeList"], ordered: ["OL", "makeOrderedList", "removeList"],
      quote: ["BLOCKQUOTE", "increaseQuoteLevel", "decreaseQuoteLevel"],
    };
    const isOn = (tag) => (tag.length === 1 ? editor.hasFormat(tag) : inside(tag));

    function edit(what) {
      if (what === "link") return openLink();
      const [tag, on, off] = EDITS[what];
      editor[isOn(tag) ? off : on]();
      editor.focus();
      pressed();
    }

    function pressed() {
      each(form, "[data-edit]", (button) => {
        const tag = button.dataset.edit === "link" ? "A" : EDITS[button.dataset.edit][0];
        button.setAttribute("aria-pressed", isOn(tag));
      });
    }

    each(form, "[data-edit]", (button) => {
      button.addEventListener("mousedown", (event) => event.preventDefault());
      button.addEventListener("click", () => edit(button.dataset.edit));
    });
    ["pathChange", "select", "cursor"].forEach((name) => editor.addEventListener(name, pressed));
    roving(find("[role=toolbar]"));

    const linkbox = find(".pr-linkbox");
    const address = find("[data-link]");

    function openLink() {
      const at = editor.getSelection().startContainer;
      const link = (at.nodeType === 1 ? at : at.parentElement).closest("a");
      address.value = link ? link.getAttribute("href") : "";
      linkbox.hidden = false;
      address.focus();
      address.select();
    }

    function setLink() {
      let to = address.value.trim();
      if (to && !/^[a-z][a-z+.-]*:/i.test(to)) to = /^[^\s/]+@[^\s/]+$/.test(to) ? `mailto:${to}` : `https://${to}`;
      linkbox.hidden = true;
      editor.focus();
      if (/^(https?|mailto|tel):/i.test(to)) editor.makeLink(to);
      else if (!to) editor.removeLink();
    }

    find("[data-link-set]").addEventListener("click", setLink);
    find("[data-link-off]").addEventListener("click", () => {
      linkbox.hidden = true;
      editor.focus();
      editor.removeLink();
    });
    address.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        setLink();
      } else if (event.key === "Escape") {
        event.stopPropagation();
        linkbox.hidden = true;
        editor.focus();
      }
    });

    /* ---------- keys, pasting, dropping ---------- */

    form.addEventListener("keydown", (event) => {
      const withKey = event.ctrlKey || event.metaKey;
      if (event.key === "Enter" && withKey) {
        event.preventDefault();
        event.stopPropagation();
        form.requestSubmit();
      } else if (event.key.toLowerCase() === "k" && withKey && box.contains(event.target)) {
        event.preventDefault();
        openLink();
      } else if (event.key === "Escape" && form.classList.contains("wide") && list.hidden) {
        expand(false);
      } else if (event.key === "Escape" && box.contains(event.target) && list.hidden && isUntouched()) {
        shut();
      }
    }, true);

    form.addEventListener("paste", (event) => {
      if (!box.contains(event.target)) return;
      const files = [...event.clipboardData.files];
      const text = event.clipboardData.getData("text/html");
      if (!files.length && !text) return;
      if (files.length && /<(p|span|table|b)\b/i.test(text)) files.length = 0; // Office adds a picture of the words
      event.preventDefault();
      event.stopPropagation();
      if (files.length) take(files, true);
      else editor.insertHTML(text, true);
      adopt();
    }, true);

    form.addEventListener("dragover", (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      open();
      form.classList.add("dropping");
    });
    form.addEventListener("dragleave", (event) => !form.contains(event.relatedTarget) && form.classList.remove("dropping"));
    form.addEventListener("drop", (event) => {
      form.classList.remove("dropping");
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      event.stopPropagation();
      take([...event.dataTransfer.files], box.contains(event.target));
    }, true);

    /* Into the text if it is a picture and meant to be, else beside it. */
    function take(files, intoText) {
      const pictures = intoText ? files.filter((file) => PICTURE.test(file.type)) : [];
      pictures.forEach(picture);
      attach(files.filter((file) => !pictures.includes(file)));
    }

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

    /* ---------- files: uploaded as they are added, kept with the draft ---------- */

    const chosen = find("input[type=file][name=files]");
    const trouble = find(".pr-composer-trouble");
    let queue = Promise.resolve();
    let waiting = 0;
    let kept = new DataTransfer(); /* where there is no draft: they go with the form */
    chosen.addEventListener("change", () => {
      const files = [...chosen.files];
      if (isDraft) chosen.value = "";
      attach(files);
    });

    function say(words) {
      if (trouble) trouble.textContent = words;
    }

    function attach(files) {
      if (!files.length) return;
      if (!isDraft) return keep(files);
      const sizes = [...form.querySelectorAll("[data-size]")].map((one) => Number(one.dataset.size));
      const total = [...sizes, ...files.map((file) => file.size)].reduce((sum, one) => sum + one, 0);
      if (sizes.length + files.length > Number(form.dataset.maxFiles)) return say(form.dataset.tooMany);
      if (total > Number(form.dataset.maxBytes)) return say(`${files.map((file) => file.name).join(", ")}: ${form.dataset.tooLarge}`);
      say("");
      files.forEach((file) => upload(file, false));
    }

    function picture(file) {
      if (!isDraft) {
        const reader = new FileReader();
        reader.addEventListener("load", () => insert(reader.result, file.name));
        return reader.readAsDataURL(file);
      }
      if (file.size > Number(form.dataset.maxBytes)) return say(`${file.name}: ${form.dataset.tooLarge}`);
      say("");
      upload(file, true).then((found) => found && insert(found.place, file.name));
    }

    function insert(source, name) {
      editor.focus();
      editor.insertImage(source, { alt: name });
      changed();
      later();
    }

    /* One after the other. What the server answered; null when it refused, or it was stopped. */
    function upload(file, isPicture) {
      const chip = uploading(file);
      waiting += 1;
      const done = queue.then(() => new Promise((settle) => {
        const asks = new XMLHttpRequest();
        const body = new FormData();
        body.append("csrfmiddlewaretoken", token);
        body.append("file", file);
        if (isPicture) body.append("inline", "1");
        chip.stop(() => asks.abort());
        asks.upload.addEventListener("progress", (event) => event.lengthComputable && chip.at(event.loaded / event.total));
        asks.addEventListener("loadend", () => {
          chip.remove();
          waiting -= 1;
          if (asks.status === 200) {
            begun(true);
            return settle(isPicture ? JSON.parse(asks.responseText) : showFiles(asks.responseText));
          }
          let words = `${file.name} ${form.dataset.notUploaded}`;
          if (asks.status === 422) words = `${file.name}: ${JSON.parse(asks.responseText).trouble}`;
          if (asks.status === 413) words = `${file.name}: ${form.dataset.tooLarge}`;
          if (!chip.isStopped()) say(words);
          settle(null);
        });
        asks.open("POST", form.dataset.upload);
        asks.send(body);
      }));
      queue = done.catch(() => null);
      return done;
    }

    function showFiles(piece) {
      const place = find("#pr-draft-files");
      place.innerHTML = piece;
      htmx.process(place);
      state(form.dataset.saved);
      return null;
    }

    function uploading(file) {
      const place = document.createElement("span");
      const name = document.createElement("span");
      const bar = document.createElement("progress");
      const stop = document.createElement("button");
      place.className = "pr-file";
      name.className = "pr-cut";
      name.textContent = file.name;
      bar.max = 1;
      bar.value = 0;
      bar.setAttribute("aria-label", file.name);
      stop.type = "button";
      stop.setAttribute("aria-label", `${form.dataset.remove} ${file.name}`);
      stop.append(Object.assign(document.createElement("span"), { className: "pr-icon", textContent: "close" }));
      place.append(name, bar, stop);
      find("[data-uploading]").append(place);
      let isStopped = false;
      return {
        at: (part) => (bar.value = part),
        remove: () => place.remove(),
        isStopped: () => isStopped,
        stop: (act) => stop.addEventListener("click", () => {
          isStopped = true;
          act();
        }),
      };
    }

    function keep(files) {
      files.forEach((file) => kept.items.add(file));
      chosen.files = kept.files;
      find("[data-chosen]").replaceChildren(...[...kept.files].map((file, place) => {
        const made = document.createElement("span");
        const remove = document.createElement("button");
        made.className = "pr-file";
        remove.type = "button";
        remove.setAttribute("aria-label", `${form.dataset.remove} ${file.name}`);
        remove.append(Object.assign(document.createElement("span"), { className: "pr-icon", textContent: "close" }));
        remove.addEventListener("click", () => {
          kept.items.remove(place);
          keep([]);
        });
        made.append(Object.assign(document.createElement("span"), { className: "pr-cut", textContent: file.name }), remove);
        return made;
      }));
    }

    /* Pictures that came inside HTML become files of the draft, too. */
    function adopt() {
      if (!isDraft) return;
      each(box, "img", (image) => {
        if (!PICTURES.test(image.src) || image.dataset.adopted) return;
        image.dataset.adopted = "1";
        const [head, data] = image.src.split(",", 2);
        const type = head.slice(5).split(";")[0];
        const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
        upload(new File([bytes], `${image.alt || "picture"}.${type.slice(6)}`, { type }), true).then((found) => {
          delete image.dataset.adopted;
          if (found) image.setAttribute("src", found.place);
        });
      });
    }

    /* ---------- the draft ---------- */

    let version = isDraft ? Number(form.elements.version.value) : 0;
    let timer = null;
    let saving = null;
    let isDirty = false;
    let isHeld = false; /* by a conflict, or because it is being sent */
    const begun = (is) => (find("[data-discard-draft]").hidden = !is);
    const state = (words) => isDraft && (find("[data-state]").textContent = words);
    if (isDraft && version) state(form.dataset.saved);

    function later() {
      if (!isDraft) return;
      isDirty = true;
      clearTimeout(timer);
      timer = setTimeout(save, SAVE_AFTER);
    }

    function body() {
      sync();
      const made = new FormData();
      ["csrfmiddlewaretoken", "html", "subject", "template"].forEach((name) => made.append(name, form.elements[name].value));
      made.append("kind", form.elements.kind.value);
      made.append("version", version);
      each(form, "#pr-extra [name=extra]", (one) => made.append("extra", one.value));
      return made;
    }

    function save() {
      if (saving || isHeld || !isDirty || !form.isConnected) return saving;
      isDirty = false;
      state(form.dataset.saving);
      saving = fetch(form.dataset.draft, { method: "POST", body: body() })
        .then(async (answer) => {
          const said = [200, 409, 422].includes(answer.status) ? await answer.json() : {};
          if (answer.status === 409) return conflict(said);
          if (answer.status === 422) return say(said.trouble);
          if (answer.status !== 200) throw new Error(answer.statusText);
          version = said.version;
          state(version ? form.dataset.saved : "");
          begun(version || form.querySelector("[data-size]"));
          return null;
        })
        .catch(() => {
          isDirty = true;
          state(form.dataset.unsaved);
          setTimeout(save, TRY_AGAIN);
        })
        .finally(() => {
          saving = null;
          if (isDirty) later();
        });
      return saving;
    }

    async function settled() {
      clearTimeout(timer);
      await queue;
      while (saving) await saving;
    }

    async function flush() {
      await settled();
      if (isDirty) await save();
    }

    function conflict(said) {
      isHeld = isDirty = true;
      version = said.version;
      state("");
      find("[data-conflict]").textContent = said.trouble;
      find(".pr-conflict").hidden = false;
      find("[data-take-theirs]").hidden = !said.version;
    }

    find("[data-keep-mine]")?.addEventListener("click", () => {
      isHeld = false;
      find(".pr-conflict").hidden = true;
      save();
    });
    find("[data-take-theirs]")?.addEventListener("click", () => reload());
    window.addEventListener("pagehide", () => {
      if (isDraft && isDirty && !isHeld && !saving && form.isConnected) fetch(form.dataset.draft, { method: "POST", body: body(), keepalive: true });
    });
    each(form, "[name=subject], [name=kind]", (field) => field.addEventListener("change", later));
    form.addEventListener("input", (event) => event.target.name === "subject" && later());
    if (isDraft && find("#pr-extra")) new MutationObserver(later).observe(find("#pr-extra"), { childList: true });

    function reload() {
      isHeld = true;
      /* Asked by a piece of its own: what the page asks for in the name of its body waits in one line, where only the last stays. */
      htmx.ajax("GET", form.dataset.composer, { source: find("[data-mentions]"), target: form, swap: "outerHTML" });
    }

    find("[data-discard-draft]")?.addEventListener("click", async () => {
      isHeld = true;
      await settled();
      const made = new FormData();
      made.append("csrfmiddlewaretoken", token);
      const answer = await fetch(form.dataset.discard, { method: "POST", body: made, headers: { "HX-Request": "true" } });
      if (answer.ok) reload();
      else isHeld = false;
    });

    /* ---------- who receives it: an answer to an older question would take back ticks, so it is not shown ---------- */

    const receivers = find("#pr-audience");
    let isAsked = false;
    let isStale = false;
    if (receivers) {
      const askedAgain = () => (isStale = isAsked);
      receivers.addEventListener("htmx:beforeRequest", () => {
        isAsked = true;
        isStale = false;
      });
      receivers.addEventListener("htmx:beforeSwap", (event) => {
        if (isStale) event.detail.shouldSwap = false;
      });
      receivers.addEventListener("htmx:afterRequest", () => (isAsked = false));
      form.addEventListener("change", askedAgain, true);
      document.body.addEventListener("postroom:people", askedAgain, true);
    }

    /* ---------- sending ---------- */

    form.addEventListener("htmx:confirm", (event) => {
      if (event.target !== form || event.detail.elt !== form) return;
      isHeld = true;
      clearTimeout(timer);
      if (!saving && !waiting) return;
      event.preventDefault();
      settled().then(() => {
        sync();
        event.detail.issueRequest();
      });
    });
    form.addEventListener("htmx:afterRequest", (event) => {
      if (event.target !== form || event.detail.elt !== form) return;
      isHeld = false;
      if (!event.detail.successful) {
        if (isEmpty()) editor.focus(); // the server says what is missing
        return;
      }
      version = 0;
      isDirty = false;
      put(() => editor.setHTML(""));
      each(form, "[name=subject], [name=scheduled_at]", (field) => (field.value = ""));
      each(form, "details.pr-pop[open]", (open) => (open.open = false));
      each(form, "#pr-extra [data-dropped], #pr-draft-files > *", (one) => one.remove());
      each(form, "#pr-audience [name=asked]", (one) => one.remove()); /* as at first: the customer is ticked, nobody else */
      each(form, "[name=extra_tick], [name=address]", (one) => (one.checked = false));
      untemplate();
      changed();
      clearTimeout(timer);
      isDirty = false;
      say("");
      state("");
      begun(false);
      subject(false);
      expand(false);
      shut();
      htmx.trigger(document.body, "postroom:people");
    });

    /* ---------- subject, full width, time zone ---------- */

    const wanted = find(".pr-subject");
    function subject(on) {
      if (!wanted) return;
      wanted.toggleAttribute("data-unwanted", !on);
      find("[data-subject]").setAttribute("aria-expanded", on);
    }
    find("[data-subject]")?.addEventListener("click", () => {
      subject(wanted.hasAttribute("data-unwanted"));
      if (!wanted.hasAttribute("data-unwanted")) form.elements.subject.focus();
    });

    function expand(on) {
      form.classList.toggle("wide", on);
      document.documentElement.classList.toggle("pr-no-scroll", on);
      find("[data-expand]")?.setAttribute("aria-pressed", on);
    }
    find("[data-expand]")?.addEventListener("click", () => {
      expand(!form.classList.contains("wide"));
      editor.focus();
    });

    /* Whoever never said where he lives lives where his browser does. */
    const zone = form.elements.zone;
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && zone.value === "UTC" && here && find("[data-zone]")) {
      zone.value = here;
      find("[data-zone]").textContent = here;
    }

    /* ---------- templates: the server fills them, and they can be changed before they leave ---------- */

    const tag = find(".pr-from-template");
    let filled = null;
    form.addEventListener("click", async (event) => {
      const on = (what) => event.target.closest(what);
      if (on("[data-fill]")) await look(on("[data-fill]"));
      if (on("[data-other-template]")) preview(null);
      if (on("[data-use-template]")) use();
      if (on("[data-untemplate]")) {
        untemplate();
        later();
      }
    });

    async function look(choice) {
      const answer = await fetch(choice.dataset.fill, { headers: { Accept: "application/json" } });
      const said = [200, 422].includes(answer.status) ? await answer.json() : {};
      if (!said.id) {
        choice.closest("details").open = false;
        return say(said.trouble || answer.statusText);
      }
      return preview({ ...said, name: choice.dataset.name });
    }

    function preview(said) {
      filled = said;
      find(".pr-template-list").hidden = Boolean(said);
      find(".pr-template-preview").hidden = !said;
      if (!said) return;
      find("[data-preview-subject]").textContent = said.subject;
      find("[data-preview-text]").replaceChildren(own(said.html));
      find("[data-preview-files]").textContent = said.files.join(", ");
      find("[data-use-template]").focus();
    }

    function use() {
      put(() => {
        if (isEmpty()) return editor.setHTML(filled.html);
        editor.moveCursorToEnd();
        return editor.insertHTML(filled.html);
      });
      form.elements.subject.value = filled.subject;
      subject(Boolean(filled.subject));
      form.elements.template.value = filled.id;
      tag.querySelector(".pr-cut").textContent = filled.name;
      tag.querySelector("[data-template-files]").textContent = filled.files.join(", ");
      tag.hidden = false;
      find(".pr-templates").open = false;
      preview(null);
      adopt();
      changed();
      later();
      editor.focus();
    }

    function untemplate() {
      if (!tag) return;
      form.elements.template.value = "";
      tag.hidden = true;
    }

    /* ---------- mentions: a list under the caret, led from the editor ---------- */

    const list = document.createElement("div");
    let asked = 0;
    list.className = "pr-mentions";
    list.id = "pr-mentions";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", box.dataset.comment || "@");
    list.hidden = true;
    const live = Object.assign(document.createElement("span"), { className: "pr-hide" });
    live.setAttribute("role", "status");
    if (form.dataset.people) {
      form.append(list, live);
      box.setAttribute("aria-controls", list.id);
      editor.addEventListener("input", suggest);
      editor.addEventListener("cursor", suggest);
      box.addEventListener("blur", () => setTimeout(hide, 150));
      form.addEventListener("keydown", lead, true);
      list.addEventListener("mousedown", (event) => event.preventDefault());
      list.addEventListener("click", (event) => choose(event.target.closest("[role=option]")));
    }

    function typed() {
      const range = editor.getSelection();
      if (!range.collapsed || range.startContainer.nodeType !== 3 || !box.contains(range.startContainer)) return null;
      const found = ASKED.exec(range.startContainer.data.slice(0, range.startOffset));
      return found && { range, words: found[2], start: range.startOffset - found[2].length - 1 };
    }

    async function suggest() {
      const at = typed();
      if (!at || !at.words) return hide();
      asked += 1;
      const mine = asked;
      const answer = await fetch(`${form.dataset.people}?kind=${form.elements.kind.value}&q=${encodeURIComponent(at.words)}`);
      if (mine !== asked || !answer.ok) return null;
      const { people: found } = await answer.json();
      if (mine !== asked || !typed()) return hide();
      list.replaceChildren(...found.map(option));
      if (!found.length) list.append(Object.assign(document.createElement("p"), { className: "pr-soft pr-small", textContent: form.dataset.nobody }));
      place(at.range);
      list.hidden = false;
      mark(found.length ? 0 : -1);
      live.textContent = found.length ? form.dataset.found.replace("{number}", found.length) : form.dataset.nobody;
      return null;
    }

    function option(person, number) {
      const made = document.createElement("div");
      const name = Object.assign(document.createElement("span"), { className: "pr-strong pr-cut", textContent: person.name });
      const about = Object.assign(document.createElement("span"), { className: "pr-soft pr-small pr-cut", textContent: person.colleague ? form.dataset.colleague : person.address });
      made.id = `pr-mention-${number}`;
      made.dataset.id = person.id;
      made.dataset.name = person.name;
      made.setAttribute("role", "option");
      made.append(name, about);
      return made;
    }

    function place(range) {
      const at = range.getBoundingClientRect();
      const room = form.getBoundingClientRect();
      list.style.left = `${Math.max(8, Math.min(at.left - room.left, room.width - 280))}px`;
      list.style.top = `${at.bottom - room.top + 6}px`;
    }

    function mark(number) {
      const options = [...list.querySelectorAll("[role=option]")];
      options.forEach((one, place) => one.setAttribute("aria-selected", place === number));
      if (options[number]) {
        box.setAttribute("aria-activedescendant", options[number].id);
        options[number].scrollIntoView({ block: "nearest" });
      } else {
        box.removeAttribute("aria-activedescendant");
      }
    }

    function lead(event) {
      if (list.hidden || !box.contains(event.target)) return;
      const options = [...list.querySelectorAll("[role=option]")];
      const now = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && options.length) mark((now + step + options.length) % options.length);
      else if ((event.key === "Enter" || event.key === "Tab") && options[now] && !event.ctrlKey && !event.metaKey) choose(options[now]);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    /* the space behind a name is there already: the one that people type by habit is swallowed */
    let isSpaced = false;
    box.addEventListener("keydown", (event) => {
      if (isSpaced && event.key === " ") event.preventDefault();
      isSpaced = false;
    }, true);

    function choose(one) {
      const at = typed();
      if (!one || !at) return hide();
      const range = at.range.cloneRange();
      range.setStart(range.startContainer, at.start);
      const made = document.createElement("span");
      made.dataset.mention = one.dataset.id;
      made.textContent = `@${one.dataset.name}`;
      hide();
      editor.setSelection(range);
      put(() => editor.insertHTML(`${made.outerHTML}\u00a0`));
      isSpaced = true;
      changed();
      later();
      return null;
    }

    function hide() {
      asked += 1;
      list.hidden = true;
      list.replaceChildren();
      box.removeAttribute("aria-activedescendant");
      return null;
    }

    find("[data-mention]")?.addEventListener("click", () => {
      editor.focus();
      const at = editor.getSelection();
      const before = at.startContainer.nodeType === 3 ? at.startContainer.data.slice(0, at.startOffset) : "";
      editor.insertPlainText(before && !/\s$/.test(before) ? " @" : "@", false);
    });

    /* ---------- quotations ---------- */

    async function quote(place) {
      const answer = await fetch(place, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      open();
      const said = await answer.json();
      const intro = Object.assign(document.createElement("p"), { textContent: said.intro });
      each(form, `[name=kind][value="${said.is_note ? "note" : "comment"}"]`, (choice) => choice.click());
      const words = `${intro.outerHTML}<blockquote>${said.html}</blockquote><p><br></p>`;
      put(() => {
        if (isEmpty()) {
          editor.setHTML(`<p><br></p>${words}`);
          editor.moveCursorToStart();
        } else {
          editor.moveCursorToEnd();
          editor.insertHTML(words);
        }
      });
      changed();
      later();
      form.scrollIntoView({ block: "center", behavior: "smooth" });
      editor.focus();
    }

    adopt();
    changed();
    wired.set(form, { flush, quote, reload });
  }

  /* One stop for the Tab key, arrows inside. */
  function roving(bar) {
    if (!bar) return;
    const tools = () => [...bar.querySelectorAll("button, summary, label[tabindex]")].filter((one) => one.offsetParent && !one.closest(".panel"));
    const only = (chosen) => tools().forEach((one) => (one.tabIndex = one === chosen ? 0 : -1));
    only(tools()[0]);
    bar.addEventListener("focusin", (event) => tools().includes(event.target) && only(event.target));
    bar.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const all = tools();
      const now = all.indexOf(event.target);
      if (!step || now < 0) return;
      event.preventDefault();
      all[(now + step + all.length) % all.length].focus();
    });
  }

  const theOne = () => wired.get(document.querySelector("form.pr-composer[data-draft]"));

  /* ---------- the toast: its seconds run down, then it goes; what was sent goes on without it ---------- */

  function toasts(root) {
    each(root, "form.pr-toast", (toast) => {
      if (toast.dataset.counts) return;
      toast.dataset.counts = "1";
      toast.querySelector(".bar").style.animationDuration = `${toast.dataset.left}s`;
      setTimeout(() => toast.remove(), toast.dataset.left * 1000);
    });
  }

  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.elt.matches("form.pr-undo, form.pr-toast") || !theOne()) return;
    event.preventDefault();
    theOne().flush().then(() => event.detail.issueRequest());
  });

  document.addEventListener("click", (event) => {
    const asks = event.target.closest("[data-quote]");
    if (asks) theOne()?.quote(asks.dataset.quote);
  });

  /* On a phone the keyboard lies over the page: what sticks to its bottom is lifted above it. */
  function keyboard() {
    const seen = window.visualViewport;
    if (!seen) return;
    const lift = () => document.documentElement.style.setProperty("--pr-keyboard", `${Math.max(0, window.innerHeight - seen.height - seen.offsetTop)}px`);
    seen.addEventListener("resize", lift);
    seen.addEventListener("scroll", lift);
  }

  function wire(root) {
    const forms = root.matches?.("form.pr-composer") ? [root] : [...root.querySelectorAll("form.pr-composer")];
    forms.filter((form) => !wired.has(form)).forEach((form) => {
      wired.set(form, null);
      composer(form);
    });
    toasts(root.parentElement || root);
  }

  document.addEventListener("DOMContentLoaded", () => {
    wire(document);
    keyboard();
    document.body.addEventListener("postroom:draft", () => theOne()?.reload());
  });
  document.addEventListener("htmx:load", (event) => wire(event.detail.elt));
})();
