/** What a view that is loaded later uses of the page. It imports none of it, so that everything is there once. */

import { api, asProblem } from "../server/api.js";
import { h, setText, show } from "../page/dom.js";
import { day, minute, size, span } from "../page/format.js";
import { troubleText } from "../words/errors.js";
import { button, confirm, field, shareLink } from "./controls.js";
import { part } from "./settings.js";

export const kit = { api, asProblem, h, setText, show, day, minute, size, span, troubleText, button, confirm, field, shareLink, part };
