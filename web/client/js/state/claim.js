/** The claim link's secret: taken out of the address at once, and kept by this tab until it is used or found to be wrong. */

const KEPT = "claim";

/** What the address or an earlier page of this tab has; the address no longer has it afterwards. @returns {string | null} */
export function takeClaim() {
  const url = new URL(location.href);
  const given = url.pathname.replace(/\/+$/, "") === "/register" ? url.searchParams.get("claim") : null;
  if (given !== null) {
    url.searchParams.delete("claim");
    history.replaceState(history.state, "", url);
    keepClaim(given);
  }
  return given || sessionStorage.getItem(KEPT);
}

/** @param {string | null} claim null forgets it */
export function keepClaim(claim) {
  if (claim) sessionStorage.setItem(KEPT, claim);
  else sessionStorage.removeItem(KEPT);
}
