"""The challenge tls-alpn-01 (RFC 8737), which the library lacks: its messages, and the certificate that answers it. Blocks."""

import hashlib
import os
import ssl
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from acme import challenges
from cryptography import x509
from josepy.jwk import JWK

from web.http.challenges import PROTOCOL
from web.http.tls import Tls, self_signed

IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # the extension that holds the digest
OCTET_STRING = bytes([4, 32])  # of DER, for 32 bytes


@challenges.ChallengeResponse.register
class TlsAlpnResponse(challenges.KeyAuthorizationChallengeResponse):
    """Tells the authority to look. Registered with the library by its name."""

    typ = "tls-alpn-01"


@challenges.Challenge.register
class TlsAlpn(challenges.KeyAuthorizationChallenge):
    """What the authority wants to find: the digest of a token and of the account's key."""

    response_cls = TlsAlpnResponse
    typ = "tls-alpn-01"

    def validation(self, account_key: JWK, **_: Any) -> str:
        return self.key_authorization(account_key)


def context_of(name: str, sought: str, folder: Path) -> Tls:
    """A context whose certificate, signed by itself, shows `sought` for the name. folder: private, for OpenSSL reads files only."""
    digest = x509.UnrecognizedExtension(IDENTIFIER, OCTET_STRING + hashlib.sha256(sought.encode()).digest())
    pem = self_signed(timedelta(days=1), [(x509.SubjectAlternativeName([x509.DNSName(name)]), False), (digest, True)])
    context = Tls(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([PROTOCOL.decode()])
    handle, file = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(pem)
        context.load_cert_chain(file)
    finally:
        os.unlink(file)
    return context
