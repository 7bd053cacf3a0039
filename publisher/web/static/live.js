// Renews the parts of a page that are marked `data-live`, every five seconds. Without this script the page works as well.
"use strict";

(() => {
  const INTERVAL = 5000;

  async function renew() {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelectorAll("[data-live]");
    document.querySelectorAll("[data-live]").forEach((part, n) => {
      // Whoever is at a field or reads in a region of it keeps it as it is.
      if (fresh[n] && !part.contains(document.activeElement)) part.replaceChildren(...fresh[n].childNodes);
    });
  }

  async function loop() {
    try {
      await renew();
      document.body.classList.remove("stale");
    } catch {
      document.body.classList.add("stale");
    }
    setTimeout(loop, INTERVAL);
  }

  if (document.querySelector("[data-live]")) setTimeout(loop, INTERVAL);
})();
