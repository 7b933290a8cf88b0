"""Certificates that browsers trust, by ACME (RFC 8555): ordered, renewed and stored for `http.tls = "acme"`.

Modules, in the order of the flow:
    timetable    When a certificate is renewed, and when the next try is made after a failure; without a clock
    past         What has happened so far, stored beside the certificate: the last failure, how many tries
    stored       Which authority has given the certificate that is stored
    refusal      Why there is no certificate, in one line
    alpn         The challenge tls-alpn-01, which the library lacks
    authority    The library's client: account, order, challenges, certificate. It blocks, and is imported only where it is used
    aside        Runs what blocks on a thread that nobody waits for at the end
    http_port    Answers http-01 at `http.acme_port`, and leads everybody else to https
    keeper       Owns the task that keeps the certificate

`web/http/challenges.py` has what the authority is to find; `web/http/tls_renewal.py` serves what is stored. Imported by serve, cli, admin.
"""
