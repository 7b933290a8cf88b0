"""Who sends a request, and by what right.

Modules, in the order of the flow:
    cookies         Reads and writes the login's cookie
    secret          Random secrets, their digests, and key files
    link_secrets    Makes the secrets of links, which can be shown again
    login_storage   Stores logins, for aiohttp-session
    identity        The user behind a cookie or an Authorization header
    lately          What of that was granted in the last ten minutes, while PostgreSQL is away
    passwords       Hashes and verifies passwords
    weak_passwords  Refuses passwords that are guessed first
    recovery_codes  Makes recovery codes and their digests
    rate_limit      Limits password guesses, registrations and friend requests
    downloads       Aborts downloads whose right has ended

Imported by the rooms of handlers (accounts, admin, live, recordings, operations), and by connections, app and cli.
"""
