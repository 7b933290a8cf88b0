"""Accounts over HTTP. Each module holds the bodies and answers of its routes, as structs, and the handlers that read and send them.

`accounts` (registration, login, password, deletion), `claims` (the claim link that makes somebody the owner), `friends` (search,
requests, blocks), `invites`, `tokens` (bearer tokens), `listen_links`. Imported by `web.routes`, `web.app` and
`web.serve` only.
"""
