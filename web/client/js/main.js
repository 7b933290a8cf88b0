/** Start here: the address decides the view, one state is rendered, and everything else hangs on it. */

import { App } from "./state/app.js";
import { takeClaim } from "./state/claim.js";
import { h, link, say } from "./page/dom.js";
import { isTaken, meaning } from "./page/shortcuts.js";
import { routeOf } from "./state/route.js";
import { firstState, Store } from "./state/store.js";
import { claimPage } from "./views/claim.js";
import { doctor } from "./views/doctor.js";
import { signIn } from "./views/sign_in.js";
import { shell } from "./views/shell.js";
import { friendsPage } from "./views/friends_page.js";
import { help } from "./views/help.js";
import { companionJoin } from "./views/companion_join.js";
import { library } from "./views/library.js";
import { listenLink } from "./views/listen_link.js";
import { listen } from "./views/listen.js";
import { search } from "./views/search.js";
import { settings } from "./views/settings.js";
import { studio } from "./views/studio.js";

/** @typedef {import("./state/types.js").State} State */
/** @typedef {import("./state/types.js").Route} Route */
/** @typedef {{root: HTMLElement, title: string, update: (state: State) => void, close: () => void}} View */

const live = /** @type {HTMLElement} */ (document.getElementById("live"));
const wide = matchMedia("(min-width: 900px)");

/** One polite live region for all changes of state. @param {string} text */
function announce(text) {
  say(live, "");
  setTimeout(() => say(live, text), 50); // the same sentence twice is told twice
}

const claim = takeClaim(); // before the address is looked at
const store = new Store(firstState(routeOf(location), claim), render);
const app = new App(store, go, announce);
const layout = shell(app);
document.body.append(layout.root);

/** @type {View | null} */
let view = null;
let shown = "";

/** @param {State} state */
function render(state) {
  if (state.me === undefined) return;
  layout.update(state);
  const key = keyOf(state);
  if (key !== shown) {
    const first = shown === "";
    shown = key;
    view?.close();
    view = make(state);
    layout.main.replaceChildren(view.root);
    document.title = view.title === "Hushcast" ? view.title : `${view.title} – Hushcast`;
    if (!first) arrive();
  }
  view?.update(state);
}

/** What makes another view: the place, and who is there. @param {State} state */
function keyOf({ route, me }) {
  return [route.page, route.name, route.id, route.token, route.page === "search" ? route.query : "", me?.username].join(" ");
}

/** @param {State} state @returns {View} */
function make({ route, me }) {
  if (route.page === "join") return companionJoin(app, route.id ?? "");
  if (route.page === "link") return listenLink(app, route.token ?? "");
  if (!me) return signIn(app, route.page === "register" ? "register" : "login");
  if (route.page === "register") return claimPage(app); // to which nothing else leads who is signed in
  if (route.page === "user") return listen(app, route.name ?? "");
  const makers = { home: studio, friends: friendsPage, library, settings, search, doctor };
  const maker = makers[/** @type {keyof typeof makers} */ (route.page)];
  return maker ? maker(app) : nowhere();
}

/** @returns {View} */
function nowhere() {
  return { root: h("div", null, h("h1", { tabindex: "-1" }, "Nothing here"), h("p", null, "This address leads nowhere. ", link("/", {}, "Go to your page"))), title: "Nothing here", update: () => undefined, close: () => undefined };
}

/** After a change of page the focus is at its head, as it would be after a load. */
function arrive() {
  globalThis.scrollTo(0, 0);
  const head = layout.main.querySelector("h1");
  (head instanceof HTMLElement ? head : layout.main).focus({ preventScroll: true });
}

/** @param {string} path @param {boolean} [replace] */
function go(path, replace = false) {
  const url = new URL(path, location.href);
  if (url.origin !== location.origin) return;
  if (replace) history.replaceState(null, "", url);
  else if (url.href !== location.href) history.pushState(null, "", url);
  follow();
}

function follow() {
  const route = routeOf(location);
  store.set({ route: route.page === "friends" && wide.matches ? { page: "home" } : route });
  if (store.state.me !== undefined) app.guard();
}

/** A link inside the site changes the page without a load, so that what plays goes on. @param {MouseEvent} event */
function clicked(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = event.target instanceof Element ? event.target.closest("a") : null;
  if (!anchor || anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
  if (anchor.getAttribute("href")?.startsWith("#") || routeOf(new URL(anchor.href)).page === "lost") return;
  event.preventDefault();
  go(anchor.href);
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event.target, event.key)) return;
  const what = meaning(event.key, store.state);
  if (!what) return;
  event.preventDefault();
  if (what === "help") help(store.state.keys);
  else app.obey(what);
}

document.addEventListener("click", clicked);
document.addEventListener("keydown", pressed);
document.addEventListener("pointerdown", () => app.wake(), { passive: true });
addEventListener("popstate", follow);
wide.addEventListener("change", follow);
addEventListener("pagehide", () => app.away());
void app.begin();
