"""STUN and TURN servers for browsers, with time-limited credentials.

Source: draft-uberti-behave-turn-rest-00, coturn's `use-auth-secret`; the Link form is RFC 9725 §4.6.
"""

import base64
import hashlib
import hmac
import time

from sfu.config.schema import RtcConfig

LIFETIME_S = 24 * 3600


def ice_server_links(rtc: RtcConfig, now_s: float | None = None) -> list[str]:
    """One `Link` header value per server. With `rtc.turn_secret` TURN URLs carry a credential that expires."""
    links = []
    for url in rtc.ice_servers:
        link = f'<{url}>; rel="ice-server"'
        if url.startswith("turn") and rtc.turn_secret:
            username, credential = turn_credential(rtc.turn_secret, time.time() if now_s is None else now_s)
            link += f'; username="{username}"; credential="{credential}"; credential-type="password"'
        links.append(link)
    return links


def turn_credential(secret: str, now_s: float) -> tuple[str, str]:
    """User name (expiry in Unix seconds, then a name) and HMAC-SHA1 credential, as coturn checks them."""
    username = f"{int(now_s) + LIFETIME_S}:hushcast"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()
