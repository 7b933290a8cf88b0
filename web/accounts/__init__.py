"""Accounts over HTTP. Each module holds the bodies and answers of its routes, as structs, and the handlers that read and send them.

`account_routes` (the table of them), `accounts` (registration, login, password, deletion), `preferences` (what the page
remembers), `claims` (the claim link that makes somebody the owner), `lost_passwords` (reset links and recovery codes), `friends`
(search, requests, blocks), `invites`, `tokens` (bearer tokens), `listen_links`.

Imported by `web.admin`, `web.routes`, `web.app` and `web.serve` only.
"""
