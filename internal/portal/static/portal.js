"use strict";
// What pages can do beyond what they do without a script.

// The text of the link is behind the "#": it goes into the form, and out of the address.
const link = document.getElementById("link");
if (link && location.hash.length > 1) {
  link.value = location.hash.slice(1);
  document.getElementById("paste").hidden = true;
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("open");
  // In a frame of a page that may show this one, somebody has asked for it already.
  // Programs that look at links in mail open them by themselves, and press no button.
  if (window.top !== window) form.requestSubmit();
  else form.querySelector("button").focus();
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const from = document.getElementById(button.dataset.copy);
  if (!from || !navigator.clipboard) continue;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(from.textContent.trim());
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(from);
      button.textContent = "Selected: copy it";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// Times are in UTC; here is what they are at the reader's.
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (!isNaN(at)) time.title = at.toLocaleString();
}

// A browser may keep a page as it stands for its back button: without what is shown
// once.
addEventListener("pagehide", () => {
  for (const told of document.querySelectorAll("[data-once]")) told.textContent = "It was shown once.";
});
