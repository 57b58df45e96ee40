/** Where the page begins: who comes back goes on, who is new comes in. */

import { byId } from "./dom.js";
import { Entrance } from "./entrance.js";
import { Home } from "./home.js";
import { Identity } from "./identity.js";
import { leaveAddress, showPanel } from "./places.js";
import { keepTimesCurrent } from "./times.js";

/** Why somebody is back at the entrance, told across the loading of the page. */
const WHY_KEY = "hugmood.why";

function leave(why) {
  sessionStorage.setItem(WHY_KEY, why);
  location.reload();
}

function main() {
  keepTimesCurrent();
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  for (const button of document.querySelectorAll(".tabs [data-panel]")) {
    button.addEventListener("click", () => {
      showPanel(button.dataset.panel);
      leaveAddress();
      byId(`${button.dataset.panel}-heading`).focus({ preventScroll: true });
      scrollTo(0, 0);
    });
  }
  document.querySelector('[data-go="panels"]').addEventListener("click", (event) => {
    event.preventDefault();
    leaveAddress();
  });
  showPanel("friends");
  const entrance = new Entrance((identity) => new Home(identity, leave).start());
  const identity = Identity.load();
  if (identity === null) {
    entrance.show(sessionStorage.getItem(WHY_KEY) ?? "");
    sessionStorage.removeItem(WHY_KEY);
  } else {
    new Home(identity, leave).start();
  }
}

main();
