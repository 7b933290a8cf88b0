"""HTTP, below the handlers. Imported by every room of web but install, keys, private_folder and quick_start.

A connection:   first_byte (TLS, HTTP or ICE), client_hello (what a TLS client asks for), tls and tls_renewal (the certificate),
                challenges (what its authority looks for), plain_http (HTTP on a port of HTTPS), timeouts.
Who sends it:   addresses and sites (spelling), forwarded (proxies' headers), origin (client, scheme, site), relayed (another
                server's word for it).
Our addresses:  resolver (DNS), known_names (stored names), announced (all further addresses).
A request:      malformed (no valid HTTP), middleware (CSRF, headers), problems (every error as a document), fair_shares (limits),
                older_paths (what older designs had).
Its content:    route (a row of the table), shapes (base classes), texts (allowed characters), fields and json_body (reading),
                conditions (If-Match, If-None-Match), paging (lists), openapi (the table as a document), asyncapi (that of
                sockets), schema_words (a struct in words).
The answer:     responses (JSON), codings (compression), ranges (parts of files), metrics (Prometheus).
"""
