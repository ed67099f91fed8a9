// What every page does beyond being read. It runs before the page is drawn, so that the chosen theme is there
// at once; texts reach the page as text (`textContent`) and never as markup.
"use strict";
(() => {
  const root = document.documentElement;
  const chosen = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  root.classList.add("script");

  document.addEventListener("DOMContentLoaded", () => {
    const theme = document.getElementById("theme");
    theme.hidden = false;
    theme.addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it holds for this page then */ }
    });

    const trouble = document.getElementById("trouble");
    const say = (text) => { trouble.textContent = text; trouble.hidden = !text; };
    document.addEventListener("htmx:before:request", () => say(""));
    document.addEventListener("htmx:response:error", (event) => {
      const status = event.detail.ctx.response.status;
      say(status === 401 || status === 403
        ? "You are no longer signed in, or your role does not allow this. Load the page again."
        : `The service answered with an error (${status}). What is shown is of before; load the page again.`);
    });
    document.addEventListener("htmx:after:swap", () => {
      const told = document.getElementById("told");
      const count = document.querySelector("[data-count]");
      if (told && count) told.textContent = count.textContent.trim();
    });
    document.addEventListener("htmx:error", () => say("The service does not answer. What is shown is of before."));
  });
})();
