/** The entry point: picks the view by the address, and renders it from the one state at each change. */

import { App } from "./state/app.js";
import { BuildWatch } from "./state/build_watch.js";
import { takeClaim } from "./state/claim.js";
import { h, link } from "./page/dom.js";
import { isEditing } from "./page/editing.js";
import { metaContent } from "./page/links.js";
import { LiveRegion } from "./page/live_region.js";
import { actionOf, wantsKey } from "./page/shortcuts.js";
import { applyTheme } from "./page/theme.js";
import { routeOf, userPath } from "./state/route.js";
import { firstState, Store } from "./state/store.js";
import { isReached } from "./state/reached.js";
import { errors } from "./words/errors.js";
import { nowhere as lost, people as words } from "./words/people.js";
import { claimPage } from "./views/claim.js";
import { doctor } from "./views/doctor.js";
import { signIn } from "./views/sign_in.js";
import { shell } from "./views/shell.js";
import { friendsPage } from "./views/friends_page.js";
import { help } from "./views/help.js";
import { home } from "./views/home.js";
import { invitePage } from "./views/invite.js";
import { companionJoin } from "./views/companion_join.js";
import { library } from "./views/library.js";
import { listenLink } from "./views/listen_link.js";
import { listen } from "./views/listen.js";
import { search } from "./views/search.js";
import { recoverPage, resetPage } from "./views/lost_password.js";
import { serverPage } from "./views/server.js";
import { settings } from "./views/settings.js";
import { studio } from "./views/studio.js";

/** @typedef {import("./state/types.js").State} State */
/** @typedef {import("./state/types.js").Route} Route */
/** @typedef {{root: HTMLElement, title: string, update: (state: State) => void, close: () => void}} View */

const live = new LiveRegion(/** @type {HTMLElement} */ (document.getElementById("live")));
const wide = matchMedia("(min-width: 900px)");
/** The frame waits so long for the answer of who is signed in, so that a browser lays the page out once. */
const FRAME_AFTER_MS = 500;

/** @param {string} text a change of state */
function announce(text) {
  live.say(text);
}

const taken = takeClaim(); // before routeOf reads the address
const store = new Store(firstState(here(), taken), render);
const app = new App(store, go, announce);
const theme = () => applyTheme(app.preferences.get("theme") ?? "system");
theme(); // before anything is painted but the ground
app.preferences.addEventListener("change", theme);
const layout = shell(app);
setTimeout(place, FRAME_AFTER_MS);

/** @type {View | null} */
let view = null;
let shown = "";

/** @param {State} state */
function render(state) {
  if (state.me === undefined) return away(state);
  layout.update(state);
  const key = keyOf(state);
  if (key !== shown) {
    const first = shown === "";
    shown = key;
    view?.close();
    view = make(state);
    layout.main.replaceChildren(view.root);
    place();
    if (!first) arrive();
  }
  view?.update(state);
  const title = words.title(view?.title ?? "Hushcast", liveElsewhere(state));
  if (document.title !== title) document.title = title;
}

/** Before it is known who is signed in: nothing, or that the server does not answer. @param {State} state */
function away(state) {
  if (!state.away) return;
  layout.update(state);
  layout.main.replaceChildren(h("p", { class: "message", role: "status" }, errors.away));
  place();
}

function place() {
  if (!layout.root.isConnected) document.body.append(layout.root);
}

/** The friends who are on air, but for the one whose page is open. @param {State} state */
function liveElsewhere(state) {
  const { friends, route, me } = state;
  return me && isReached(state) ? (friends ?? []).filter((friend) => friend.live && friend.username !== route.name).map((friend) => friend.username) : [];
}

/** Identifies a view: another key means that another view is made. @param {State} state */
function keyOf({ route, me }) {
  return [route.page, route.name, route.id, route.token, route.page === "search" ? route.query : "", me?.username, route.page === "admin" && me?.owner].join(" ");
}

/** @param {State} state @returns {View} */
function make({ route, me, claim }) {
  if (route.page === "join") return companionJoin(app, route.id ?? "");
  if (route.page === "link") return listenLink(app, route.token ?? "");
  if (route.page === "lost") return nowhere();
  if (route.page === "reset") return resetPage(app);
  if (route.page === "recover") return recoverPage(app);
  if (!me) return signIn(app, route.page === "register" ? "register" : "login");
  const invite = new URLSearchParams(route.query).get("invite");
  if (route.page === "register" && invite && !claim) return invitePage(app, invite);
  if (route.page === "register") return claimPage(app); // only a claim or invite leads a signed-in user here
  if (route.page === "user") return listen(app, route.name ?? "");
  if (route.page === "admin" && me.owner) return serverPage(app);
  const makers = { home, studio, friends: friendsPage, library, settings, search, doctor };
  const maker = makers[/** @type {keyof typeof makers} */ (route.page)];
  return maker ? maker(app) : nowhere();
}

/** @returns {View} */
function nowhere() {
  return { root: h("div", null, h("h1", { tabindex: "-1" }, lost.title), h("p", null, `${lost.text} `, link("/", {}, lost.home))), title: lost.title, update: () => undefined, close: () => undefined };
}

/** Move the focus to the heading of the new page, as a page load would. */
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

/** The route of the address. On wide screens the friends are in the column, beside home. @returns {Route} */
function here() {
  const route = routeOf(location);
  return route.page === "friends" && wide.matches ? { page: "home" } : route;
}

function follow() {
  const route = here();
  store.set({ route });
  if (store.state.me !== undefined) app.guard();
  void spell(route);
}

/** Correct the address of a user's page to the spelling of the account. @param {Route} route */
async function spell({ page, name, query }) {
  if (page !== "user" || !name || !store.state.me) return;
  const spelled = await app.friends.spelling(name);
  if (spelled && spelled !== name && store.state.route.name === name) go(userPath(spelled) + (query ?? ""), true);
}

/** Follow links inside the site without loading the page, so that sound goes on. @param {MouseEvent} event */
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
  if (event.ctrlKey || event.metaKey || event.altKey || wantsKey(event.target, event.key)) return;
  const what = actionOf(event.key, store.state);
  if (!what) return;
  event.preventDefault();
  if (what === "help") help(store.state.keys);
  else app.runAction(what);
}

document.addEventListener("click", clicked);
document.addEventListener("keydown", pressed);
document.addEventListener("pointerdown", () => app.resumeAudio(), { passive: true });
addEventListener("popstate", follow);
wide.addEventListener("change", follow);
addEventListener("pagehide", () => app.pageHidden());
document.addEventListener("visibilitychange", () => document.hidden || void app.preferences.reload()); // another tab may have changed them
new BuildWatch(app, metaContent("build"), isEditing);
app.polling.begin();
void app.begin().then(() => spell(store.state.route));
