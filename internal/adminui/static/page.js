"use strict";
// What pages can do beyond what they do without a script.

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
  if (!isNaN(at)) time.title += " · " + at.toLocaleString() + " here";
}

// A browser may keep a page as it stands for its back button: without what is shown
// once.
addEventListener("pagehide", () => {
  for (const told of document.querySelectorAll("[data-once]")) told.textContent = "It was shown once.";
});

// "/" goes to the search field, as in many lists.
addEventListener("keydown", event => {
  const field = document.querySelector("input[type=search]");
  const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
  if (event.key !== "/" || !field || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  field.focus();
});
