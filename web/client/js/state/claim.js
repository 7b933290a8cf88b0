/** The claim link's secret: removed from the address at once, and kept by this tab until it is used or refused. */

const STORAGE_KEY = "claim";

/** The secret of the address, or the one this tab has kept. Removes it from the address. @returns {string | null} */
export function takeClaim() {
  const url = new URL(location.href);
  const given = url.pathname.replace(/\/+$/, "") === "/register" ? url.searchParams.get("claim") : null;
  if (given !== null) {
    url.searchParams.delete("claim");
    history.replaceState(history.state, "", url);
    storeClaim(given);
  }
  return given || sessionStorage.getItem(STORAGE_KEY);
}

/** @param {string | null} claim null removes it */
export function storeClaim(claim) {
  if (claim) sessionStorage.setItem(STORAGE_KEY, claim);
  else sessionStorage.removeItem(STORAGE_KEY);
}
