"""The routes of the server's owner: a part of `web.routes.ROUTES`."""

from web.admin import accounts_of_all as accounts
from web.admin import overview
from web.admin.owner import admin_page
from web.http.paging import ListPage
from web.http.route import ANYONE, NOTHING, OWNER, Given, Route, json

USER = "/api/admin/users/{username}"
REFUSED = "403 not_owner"
UNKNOWN = f"{REFUSED}, 404 no_such_user"
ANOTHERS = f"{UNKNOWN}, 422 self, 409 self"

PAGE = (Given(200, None, ("text/html",)), Given(304), Given(404, None, ("text/html",)))

ADMIN_ROUTES: tuple[Route, ...] = (
    Route("GET", "/admin", admin_page, ANYONE, gives=PAGE),
    Route("GET", "/api/admin/users", accounts.listed, OWNER, None, accounts.AccountsPage, json(list[accounts.AccountRow]), REFUSED),
    Route("POST", f"{USER}/reset", accounts.make_reset, OWNER, gives=json(accounts.ResetMade, 201), problems=UNKNOWN),
    Route("PUT", f"{USER}/suspended", accounts.suspend, OWNER, accounts.Suspension, gives=NOTHING, problems=ANOTHERS),
    Route("POST", f"{USER}/logout", accounts.log_out, OWNER, gives=NOTHING, problems=UNKNOWN),
    Route("DELETE", USER, accounts.remove, OWNER, gives=NOTHING, problems=ANOTHERS),
    Route(
        "POST",
        "/api/admin/owner",
        accounts.hand_over,
        OWNER,
        accounts.NextOwner,
        gives=NOTHING,
        problems=f"{UNKNOWN}, 409 suspended, 422 self",
    ),
    Route("GET", "/api/admin/live", overview.live, OWNER, gives=json(list[overview.AirRow]), problems=REFUSED),
    Route("GET", "/api/admin/system", overview.system, OWNER, gives=json(overview.SystemState), problems=REFUSED),
    Route("GET", "/api/admin/invites", overview.all_invites, OWNER, None, ListPage, json(list[overview.InviteOfAll]), REFUSED),
    Route("GET", "/api/admin/audit", overview.acts, OWNER, None, ListPage, json(list[overview.AuditRow]), REFUSED),
)
