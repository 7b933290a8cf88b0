/** The parts of the owner's page, loaded by views/server.js: accounts and what is done to them, what is on air, invites, the machine, warnings, the log of acts. */

import { admin as words } from "../words/admin.js";

/** @typedef {typeof import("./kit.js").kit} Kit */
/** @typedef {import("../state/app.js").App} App */
/** @typedef {{id: number, username: string, created_at: string, seen_at: string | null, owner: boolean, suspended: boolean, live: boolean, recordings: number, used_bytes: number}} Account */
/** @typedef {{do: string, ask: (name: string) => string, text: string, yes: string, done: (name: string) => string}} Act */

const PAGE = 50;
const PAUSE_MS = 200;

/** @param {Kit} kit @param {string} at */
const when = ({ day, minute }, at) => words.when(day(at), minute(at));

/** @param {App} app @param {Kit} kit */
export function admin(app, kit) {
  const { api, minute, part } = kit;
  const acts = list(kit, words.noActs);
  const air = list(kit, words.quiet);
  const invites = list(kit, words.noInvites);
  const system = systemPart(kit);
  const look = () => {
    void fill(kit, air, api.adminLive, (row) => [row.username, words.airRow(row.since ? minute(row.since) : "", row.listeners, row.denoiser, row.cores === null ? null : words.cost(row.cores), row.node)]);
    void fill(kit, invites, api.adminInvites, (row) => [row.username, words.invite(when(kit, row.created_at), row.used, row.uses)]);
    void fill(kit, acts, api.adminAudit, (row) => [words.acts[row.act]?.(row.actor || words.host, row.about) ?? row.act, when(kit, row.at)]);
    void system.look();
  };
  const accounts = accountsPart(app, kit, look);
  look();
  return {
    /** Ask for all again but the accounts, whose menus may be open: for them only where they have not come. */
    look() {
      look();
      accounts.retry();
    },
    parts: [part(words.accounts, "", accounts.root), part(words.air, "", air.root), part(words.log, words.logHint, acts.root),
      ...system.parts, part(words.invites, "", invites.root)],
    close: accounts.close,
  };
}

/** Rows of a sentence and a quiet one, or a sentence where there are none. @param {Kit} kit @param {string} none */
function list({ h, setText, show }, none) {
  const rows = h("ul", { class: "plain-list" });
  const empty = h("p", { class: "quiet", hidden: true }, none);
  let shown = "";
  return {
    root: h("div", null, rows, empty),
    /** @param {[string, string][]} items */
    update(items) {
      const wanted = JSON.stringify(items);
      if (wanted !== shown) rows.replaceChildren(...items.map(([what, more]) => h("li", null, h("p", { class: "what" }, what), h("p", { class: "quiet what" }, more))));
      shown = wanted;
      setText(empty, none);
      show(empty, !items.length);
    },
    /** @param {string} sentence */
    fail(sentence) {
      setText(empty, sentence);
      show(empty, true);
    },
  };
}

/** @param {Kit} kit @param {ReturnType<typeof list>} to @param {() => Promise<any[]>} load @param {(row: any) => [string, string]} row */
async function fill({ asProblem, troubleText }, to, load, row) {
  try {
    to.update((await load()).map(row));
  } catch (error) {
    to.fail(troubleText(asProblem(error).trouble()));
  }
}

/** @param {Kit} kit */
function systemPart(kit) {
  const { api, asProblem, h, part, setText, size, span, troubleText } = kit;
  const load = h("p"), disk = h("p"), certificate = h("p");
  const models = list(kit, ""), versions = list(kit, ""), storage = list(kit, words.empty), warnings = list(kit, words.calm);
  const parts = [part(words.system, "", load, disk, certificate), part(words.models, "", models.root), part(words.storage, "", storage.root), part(words.warnings, "", warnings.root), part(words.versions, "", versions.root)];
  return {
    parts,
    async look() {
      try {
        const now = await api.adminSystem();
        setText(load, words.load(now.cores_taken.toFixed(1), now.cores.toFixed(1), span(now.up_s)));
        setText(disk, words.disk(size(now.disk_free_bytes), size(now.disk_size_bytes)));
        setText(certificate, certificateText(kit, now.certificate));
        models.update(now.denoisers.map((/** @type {any} */ row) => [row.name, row.available ? words.ready : row.reason ?? ""]));
        versions.update(now.versions.map((/** @type {any} */ row) => [row.name, row.version]));
        storage.update(now.people.map((/** @type {any} */ row) => [row.username, words.held(row.recordings, size(row.used_bytes))]));
        warnings.update(now.warnings.map((/** @type {any} */ row) => [row.message, `${row.logger}, ${when(kit, row.at)}`]));
      } catch (error) {
        setText(load, troubleText(asProblem(error).trouble()));
      }
    },
  };
}

/** @param {Kit} kit @param {any} now "" without TLS */
function certificateText(kit, now) {
  if (!now) return "";
  const served = words.certificates[now.kind]?.(now.ends_at ? when(kit, now.ends_at) : "…") ?? "";
  return now.failure ? `${served} ${words.noCertificate(when(kit, now.failed_at), now.failure)}` : served;
}

/** @param {App} app @param {Kit} kit @param {() => void} look after each act */
function accountsPart(app, kit, look) {
  const { api, asProblem, button, field, h, setText, show, troubleText } = kit;
  const wanted = field(words.find, { type: "search", autocapitalize: "none", autocomplete: "off", maxlength: "100" });
  const note = h("p", { class: "message", role: "status" });
  const rows = h("ul", { class: "plain-list", "aria-label": words.accounts });
  const more = button(words.more, () => void load(last), { hidden: true });
  /** @type {number | undefined} */
  let last;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** What has not come when it was asked for last. @type {(() => Promise<void>) | null} */
  let missed = null;
  /** @param {number} [before] the rows after this one are added; else all are replaced @returns {Promise<void>} */
  async function load(before) {
    const asked = wanted.input.value.trim();
    const isPressed = document.activeElement === more;
    /** @param {HTMLElement} place where the focus goes from the button, unless it has been moved meanwhile */
    const on = (place) => isPressed && [more, document.body].includes(/** @type {HTMLElement} */ (document.activeElement)) && place.focus();
    more.disabled = true;
    try {
      /** @type {Account[]} */
      const found = await api.adminUsers(asked, PAGE, before);
      if (asked !== wanted.input.value.trim()) return; // the query has changed meanwhile
      const held = before ? undefined : heldRow(rows);
      if (!before) rows.replaceChildren();
      const first = rows.children.length;
      rows.append(...found.map((account) => accountRow(app, kit, account, again, look)));
      last = found.at(-1)?.id;
      missed = null;
      show(more, found.length === PAGE);
      setText(note, rows.children.length ? "" : words.nobody);
      if (held !== undefined) (summaryOf([...rows.children].find((row) => nameOf(row) === held)) ?? wanted.input).focus();
      on(summaryOf(rows.children[first]) ?? wanted.input);
    } catch (error) {
      missed = () => load(before);
      setText(note, troubleText(asProblem(error).trouble()));
      more.disabled = false;
      on(more);
    } finally {
      more.disabled = false;
    }
  }
  const again = () => {
    look();
    return load();
  };
  wanted.input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void load(), PAUSE_MS);
  });
  void load();
  return { root: h("div", null, wanted.root, note, rows, more), retry: () => void missed?.(), close: () => clearTimeout(timer) };
}

/** @param {Element} row */
const nameOf = (row) => row.getAttribute("data-name") ?? "";

/** @param {Element | undefined} row */
const summaryOf = (row) => row?.querySelector("summary") ?? null;

/** Whose row has the focus, which goes with it. @param {HTMLElement} rows */
function heldRow(rows) {
  const row = [...rows.children].find((each) => each.contains(document.activeElement));
  return row && nameOf(row);
}

/** @param {App} app @param {Kit} kit @param {Account} account @param {() => Promise<void>} again asks for the accounts, too @param {() => void} look for all but them */
function accountRow(app, kit, account, again, look) {
  const { api, button, confirm, day, h, shareLink, size } = kit;
  const name = account.username;
  /** @param {Act} act @param {() => Promise<unknown>} work */
  const act = (act, work) => item(act, () => void app.attempt(work).then(async (done) => {
    if (done) app.toast({ text: act.done(name) });
    await again();
  }));
  /** @param {{do: string, ask: (name: string) => string, text: string, yes: string}} what @param {() => void} run */
  const item = (what, run) => button(what.do, () => {
    closed();
    confirm(what.ask(name), what.text, what.yes, run);
  }, { class: "plain" });
  const reset = item(words.reset, () => void app.attempt(async () => {
    const { url } = await api.adminReset(name);
    shareLink(words.reset.yours, words.reset.give, url);
    look();
  }));
  const others = account.owner ? [] : [
    account.suspended ? act(words.lift, () => api.adminSuspend(name, false)) : act(words.suspend, () => api.adminSuspend(name, true)),
    act(words.remove, () => api.adminRemove(name)),
    ...(account.suspended ? [] : [item(words.own, () => void app.attempt(async () => {
      await api.adminOwner(name);
      app.store.set({ me: await api.me() });
      app.toast({ text: words.own.done(name) });
      app.go("/", true);
    }))]),
  ];
  const out = account.owner ? [] : [act(words.logout, () => api.adminLogout(name))];
  const summary = h("summary", { "aria-label": words.menuOf(name) }, words.menu);
  const menu = h("details", { class: "menu" }, summary, h("div", { class: "menu-box" }, reset, ...out, ...others));
  const closed = () => {
    menu.open = false;
    summary.focus();
  };
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) closed();
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  const state = [account.owner ? words.owner : "", account.suspended ? words.suspended : "", account.live ? words.air : ""].filter(Boolean).join(", ");
  const text = words.row(day(account.created_at), account.seen_at && day(account.seen_at), account.recordings, size(account.used_bytes));
  return h("li", { class: "row between", "data-name": name }, h("div", { class: "what" }, h("p", null, h("span", { class: "strong" }, name), state ? ` · ${state}` : ""), h("p", { class: "quiet" }, text)), menu);
}
