// Keeps an open page up to date. The page is complete without this: it only fetches itself again when the server
// says that something has changed, and puts the parts with an id in place that are different now.

"use strict";

(() => {
  const body = document.body;
  const light = document.getElementById("live");
  const news = document.getElementById("news");
  let busy = false;
  let again = false;

  function show(on) {
    light.hidden = false;
    light.textContent = on ? body.dataset.on : body.dataset.off;
    light.classList.toggle("on", on);
  }

  // Parts that a reader has opened or is typing in stay as they are.
  function isInUse(part) {
    const open = part.querySelector("details[open]");
    const selection = document.getSelection();
    const selected = selection && !selection.isCollapsed && selection.containsNode(part, true);
    return Boolean(open || selected);
  }

  // The same link is found again after its part was replaced, so that the keyboard stays where it was.
  function placeOfFocus(part) {
    const focused = document.activeElement;
    if (!focused || !part.contains(focused)) return () => {};
    const address = focused.getAttribute("href");
    return (fresh) => {
      const links = [...fresh.querySelectorAll("a")];
      const same = links.find((link) => link.getAttribute("href") === address);
      if (same) same.focus({ preventScroll: true });
    };
  }

  function replace(fetched) {
    for (const part of document.querySelectorAll("main [id]")) {
      if (part.closest("form, h1, h2") || !part.isConnected) continue;
      if (part.parentElement.closest("main [id]:not(main)")) continue;
      const fresh = fetched.getElementById(part.id);
      if (!fresh || fresh.innerHTML === part.innerHTML || isInUse(part)) continue;
      const focus = placeOfFocus(part);
      const adopted = document.importNode(fresh, true);
      adopted.classList.add("fresh");
      part.replaceWith(adopted);
      focus(adopted);
    }
    document.title = fetched.title;
    body.dataset.shown = fetched.body.dataset.shown;
  }

  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      show(false);
    }
    busy = false;
    if (again) {
      again = false;
      refresh();
    }
  }

  // Events are worth an interruption at once, other changes now and then.
  let told = 0;
  function tell(events) {
    const labels = events.map((event) => event.label).join(" · ");
    if (!labels && Date.now() - told < 30000) return;
    told = Date.now();
    news.textContent = labels ? `${body.dataset.updated} ${labels}` : body.dataset.updated;
  }

  // A page that nobody sees listens to nothing: browsers allow a host six connections, whatever the tabs.
  let source = null;
  function listen() {
    if (source) source.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource(`${body.dataset.live}?shown=${encodeURIComponent(body.dataset.shown)}`);
    source.addEventListener("open", () => show(true));
    source.addEventListener("error", () => show(false));
    source.addEventListener("change", async (message) => {
      await refresh();
      tell(JSON.parse(message.data).events);
    });
  }

  document.addEventListener("visibilitychange", listen);
  listen();
})();
