"""What every request and answer goes through, and how it is written.

Modules, in the order of the flow:
    first_byte   What a new connection speaks, told by its first byte, which is only looked at
    plain_http   What plain HTTP gets at a port that serves HTTPS: the site where nothing leaves this machine
    tls          TLS as `http.tls` wants it
    tls_renewal  A certificate that is renewed while the server runs
    addresses    The addresses by which this machine may be called, how they are written, and what browsers may do there
    forwarded    What proxies tell of a request
    sites        Names of sites in one form, so that two spellings of one compare equal
    origin       Who is asking, by which name, over what
    resolver     Names turned into addresses, a few at a time
    known_names  The names by which the owner has reached this server
    announced    Further addresses of this server
    fair_shares  Few places for many people
    timeouts     How long a client may take to say what it wants, and how long it may leave an answer lying
    malformed    Requests that are not even HTTP: answered 400 by aiohttp, counted here, and kept out of the log
    middleware   What every request passes before a handler sees it, and every answer on its way out
    problems     Every failure becomes one problem document
    route        What a row of a table of routes says
    json_body    JSON bodies and queries, as the structs that the table of routes names
    fields       Values from outside into structs
    shapes       The base of every body, query and answer, and the kinds of fields that they are made of
    texts        Which texts can be stored, and which can be shown to others
    paging       Which part of a list is asked for
    responses    How answers are written
    ranges       Parts of what is played
    openapi      The table of routes as an OpenAPI document
    metrics      Figures for /metrics, and how they are written (Prometheus' text format)
"""
