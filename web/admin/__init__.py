"""What the server's owner sees and does, over HTTP. Every handler asks `the_owner` first, and every act is in the log of acts.

`admin_routes` (the table of them), `owner` (who may), `accounts_of_all` (the list of accounts, and what is done to one), `overview`
(what is on air, the system, everybody's invites, the log of acts). Imported by `web.routes` only.
"""
