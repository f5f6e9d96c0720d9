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

// Live: decisions are shown while they come, the newest first. Nothing of them is read
// as HTML.
const live = document.querySelector("[data-feed]");
if (live) {
  const most = 500, rows = document.getElementById("decisions"), pause = document.getElementById("pause");
  let feed = null, gone = false, missed = 0;
  const say = text => { live.textContent = missed ? `${text} Missed: ${missed}, which came faster than they were shown.` : text; };
  const show = d => {
    const row = document.createElement("tr");
    for (const [label, text] of [
      ["When", d.time.slice(11, 23)], ["Status", String(d.status)], ["Method", d.method], ["Path", d.path || d.route || ""],
      ["Refused by", d.reason ? `${d.stage || "handler"}: ${d.reason}` : ""], ["Key", d.key_id || ""], ["From", d.client || ""], ["Took", `${d.duration_us} µs`],
    ]) {
      const cell = document.createElement("td");
      cell.dataset.label = label;
      cell.textContent = text;
      row.append(cell);
    }
    row.title = d.id ? `Request ${d.id}` : "";
    rows.prepend(row);
    while (rows.childElementCount > most) rows.lastElementChild.remove();
  };
  const watch = () => {
    feed = new EventSource(live.dataset.feed);
    feed.addEventListener("open", () => {
      say(gone ? "Watching again. What was decided meanwhile is not shown." : "Watching.");
      gone = true;
    });
    feed.addEventListener("decision", event => show(JSON.parse(event.data)));
    feed.addEventListener("missed", event => {
      missed += JSON.parse(event.data).count || 1;
      say("Watching.");
    });
    feed.addEventListener("error", () => {
      say(feed.readyState === EventSource.CLOSED ? "It was refused: the filter is wrong, too many watch, or your session is over. Load the page again." : "The connection is gone. It is made again.");
    });
  };
  pause.hidden = false;
  pause.addEventListener("click", () => {
    if (feed) {
      feed.close();
      feed = null;
      say("Paused. What is decided meanwhile is not shown.");
    } else {
      watch();
    }
    pause.textContent = feed ? "Pause" : "Go on";
  });
  watch();
}
