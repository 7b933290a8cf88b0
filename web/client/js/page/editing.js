/** Tells whether the page has input that a reload would lose. */

const TYPED = "input:not([type=range], [type=number], [type=checkbox], [type=radio], [readonly]), textarea";

/** Whether a dialog is open, or a visible text field differs from its initial value. */
export function isEditing() {
  if (document.querySelector("dialog[open]")) return true;
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(TYPED));
  return [...fields].some((field) => field.offsetParent !== null && field.value !== field.defaultValue);
}
