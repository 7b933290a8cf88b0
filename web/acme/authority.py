"""The authority of certificates as the library's client asks it. Everything here blocks; import it only where `http.tls` is "acme"."""

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from sfu.config.schema import HttpConfig
from web.acme.alpn import TlsAlpn, context_of
from web.acme.refusal import NotIssued
from web.acme.stored import mark_of
from web.acme.timetable import renewal_at
from web.http.challenges import Challenges
from web.http.tls import certified_names, issued_file, write_private

logger = logging.getLogger(__name__)

REQUEST_S = 20  # for one answer of the authority
ORDER_S = 180.0  # from the order to the certificate
ROOM = 16 * 1024  # bytes; a key and a chain for 100 names have less
MOST_NONCES = 8  # tries of one request whose nonce is refused
CLOCK_S = 3600.0  # that this machine's clock may differ from the authority's
HTTP_01 = challenges.HTTP01.typ


class Authority:
    """Asks for certificates with one account. Not for two threads at once."""

    def __init__(self, http: HttpConfig, storage: Path, shown: Challenges) -> None:
        """shown: what the authority finds here; this puts it there and takes it away."""
        self._http, self._shown = http, shown
        self._file = issued_file(storage)
        self._client: client.ClientV2 | None = None
        self._network: _Network | None = None
        self._unstored: tuple[bytes, datetime] | None = None  # what was given, with its key and its end, until it is stored

    def obtain(self, kinds: Sequence[str]) -> datetime:
        """Get a certificate and store it; returns its end. kinds: of challenges, best first. Raises NotIssued, OSError.

        Nothing is ordered where it could not be stored, and what was given is not ordered again: authorities give few.
        """
        if self._unstored is None:
            self._check_room()
            self._unstored = self._ordered(kinds)
        content, end = self._unstored
        write_private(self._file, content)
        self._unstored = None
        return end

    def _check_room(self) -> None:
        """Raises OSError where nothing as long as a certificate can be written."""
        draft = self._file.with_name("room")
        try:
            write_private(draft, bytes(ROOM))
        finally:
            draft.unlink(missing_ok=True)

    def _ordered(self, kinds: Sequence[str]) -> tuple[bytes, datetime]:
        """Key and chain of a new certificate, as they are stored, and its end."""
        names = certified_names(self._http)
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

        def ask(asked: client.ClientV2) -> str:
            deadline = datetime.now() + timedelta(seconds=ORDER_S)  # the library's are without a zone
            order = asked.new_order(crypto_util.make_csr(private, list(names)))
            self._answer(asked, order, kinds)
            return asked.finalize_order(asked.poll_authorizations(order, deadline), deadline).fullchain_pem

        try:
            chain = self._asked(ask, kinds).encode()
        finally:
            self._shown.clear()
        return mark_of(self._http) + private + chain, end_of(chain, key.public_key(), names)

    def suggested(self) -> float | None:
        """When the authority suggests to renew the stored certificate, as Unix time; None where it suggests nothing. Raises NotIssued."""
        pem = self._file.read_bytes()
        when: datetime | None = self._asked(lambda asked: asked.renewal_time(pem)[0], (), account=False)
        return None if when is None else when.timestamp()

    def _asked(self, what: Callable[[client.ClientV2], Any], kinds: Sequence[str], *, account: bool = True) -> Any:
        """The result of `what`, with the library's errors in our words. After an error the directory is read anew."""
        place, opened = urlsplit(self._http.acme_url).hostname, False
        try:
            result = what(self._opened(account=account))
            opened = True
            return result
        except errors.ValidationError as failed:
            raise NotIssued(_of_validation(failed, kinds, self._http), refused=True) from failed
        except errors.IssuanceError as failed:
            raise NotIssued(f"{place} gives no certificate: {failed.error.detail}", refused=True) from failed
        except messages.Error as failed:
            until = self._network.wished if self._network is not None else 0
            raise NotIssued(f"{place} says no: {failed.detail or failed.typ}", refused=True, not_before=until) from failed
        except requests.exceptions.SSLError as failed:
            raise NotIssued(_of_tls(str(place), failed), refused=False) from failed
        except (requests.exceptions.RequestException, errors.ARIError) as failed:
            raise NotIssued(f"{place} does not answer: {_root_of(failed)}", refused=False) from failed
        except errors.TimeoutError as failed:
            raise NotIssued(f"{place} has not decided within {ORDER_S:.0f} s", refused=True) from failed
        except (NotIssued, OSError):  # the second is this machine's: a full disk, say
            raise
        except Exception as failed:  # the library raises many kinds for what it does not understand; each is a failed try
            raise NotIssued(f"{place} does not speak ACME as we do: {failed or type(failed).__name__}", refused=True) from failed
        finally:
            if not opened:
                self._client = None

    def _opened(self, *, account: bool) -> client.ClientV2:
        """The client, with an account where that is wanted."""
        if self._client is None:
            self._network = _Network(self._account_key())
            self._client = client.ClientV2(client.ClientV2.get_directory(self._http.acme_url, self._network), self._network)
            self._check_clock(self._network.ahead_s)
        if account and self._client.net.account is None:
            self._register(self._client)
        return self._client

    def _check_clock(self, ahead_s: float) -> None:
        if abs(ahead_s) > CLOCK_S:
            here, there = (datetime.fromtimestamp(time.time() + each, UTC) for each in (0, ahead_s))
            raise NotIssued(
                f"this machine's clock says {here:%Y-%m-%d %H:%M}, the authority's {there:%Y-%m-%d %H:%M}: set it", refused=False
            )

    def _register(self, asked: client.ClientV2) -> None:
        """Make the account, or find the one that the key has."""
        if asked.external_account_required():
            raise NotIssued(
                f"{urlsplit(self._http.acme_url).hostname} wants an account that was made elsewhere; take another", refused=False
            )
        terms = getattr(asked.directory.meta, "terms_of_service", None) if hasattr(asked.directory, "meta") else None
        wanted = messages.NewRegistration.from_data(email=self._http.acme_email or None, terms_of_service_agreed=True)
        try:
            asked.new_account(wanted)
            logger.info("an account at %s was made; its terms are agreed to: %s", self._http.acme_url, terms or "it names none")
        except errors.ConflictError as known:
            asked.net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())

    def _account_key(self) -> JWKEC:
        """The account's key, made once. One that cannot be read is made anew, and the account with it."""
        file = self._file.with_name("account.pem")
        try:
            key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            key = ec.generate_private_key(ec.SECP256R1())
            form = serialization.PrivateFormat.PKCS8
            write_private(file, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return JWKEC(key=key)

    def _answer(self, asked: client.ClientV2, order: messages.OrderResource, kinds: Sequence[str]) -> None:
        """Show for each name what the authority wants to find, then tell it to look."""
        key = asked.net.key
        for each in order.authorizations:
            if each.body.status == messages.STATUS_VALID:
                continue
            name = each.body.identifier.value
            offered = {challenge.chall.typ: challenge for challenge in each.body.challenges if hasattr(challenge.chall, "typ")}
            kind = next((kind for kind in kinds if kind in offered), None)
            if kind is None:
                raise NotIssued(f"for {name} the authority offers no challenge that can be answered here", refused=True)
            challenge = offered[kind]
            response, sought = challenge.chall.response_and_validation(key)
            if isinstance(challenge.chall, TlsAlpn):
                self._shown.present(name.lower(), context_of(name, sought, self._file.parent))
            else:
                self._shown.show(challenge.chall.path, sought)
            asked.answer_challenge(challenge, response)


class _Network(client.ClientNetwork):
    """Tries a request again whose nonce is refused, and keeps what the last answer says of time.

    wished: when the authority wants to be asked again, as Unix time; 0 where it does not say. ahead_s: of our clock, its clock.
    """

    def __init__(self, key: JWKEC) -> None:
        super().__init__(key, alg=ES256, user_agent="Hushcast", timeout=REQUEST_S)
        self.wished, self.ahead_s = 0.0, 0.0
        self.session.hooks["response"] = [self._note]

    def post(self, *args: Any, **options: Any) -> requests.Response:
        """Overrides the library's, which tries twice."""
        for _ in range(MOST_NONCES // 2):
            try:
                return super().post(*args, **options)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
                refused = error
        raise refused

    def _note(self, answer: requests.Response, **_: object) -> None:
        now, told = time.time(), answer.headers.get("Date")
        self.wished = client.ClientV2.retry_after(answer, 0).timestamp() if not answer.ok and "Retry-After" in answer.headers else 0
        with contextlib.suppress(ValueError, TypeError):
            self.ahead_s = parsedate_to_datetime(told).timestamp() - now if told else 0.0


def end_of(chain: bytes, key: ec.EllipticCurvePublicKey, names: Sequence[str]) -> datetime:
    """When the certificate ends that was given for a key and names. Raises NotIssued where it cannot be used now."""
    try:
        given = x509.load_pem_x509_certificates(chain)[0]
        here = given.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except (ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise NotIssued("what the authority gave is no certificate of a server", refused=True) from error
    now = datetime.now(UTC)
    if given.public_key() != key:
        raise NotIssued("the certificate that the authority gave is for another key", refused=True)
    if missing := [name for name in names if name not in here]:
        raise NotIssued(f"the certificate that the authority gave is for {', '.join(here)}, not for {', '.join(missing)}", refused=True)
    if not given.not_valid_before_utc - timedelta(hours=1) <= now < given.not_valid_after_utc:
        life = f"from {given.not_valid_before_utc:%Y-%m-%d %H:%M} to {given.not_valid_after_utc:%Y-%m-%d %H:%M}"
        raise NotIssued(f"the certificate is good {life}, and this machine's clock says {now:%Y-%m-%d %H:%M}: set the clock", refused=True)
    if now.timestamp() >= renewal_at(given.not_valid_before_utc.timestamp(), given.not_valid_after_utc.timestamp()):
        raise NotIssued(f"the certificate that the authority gave ends soon, at {given.not_valid_after_utc:%Y-%m-%d %H:%M}", refused=True)
    return given.not_valid_after_utc


def _of_validation(failed: errors.ValidationError, kinds: Sequence[str], http: HttpConfig) -> str:
    """Which name could not be looked at and why, and what has to be open for that."""
    found = []
    for each in failed.failed_authzrs:
        why = next((challenge.error.detail for challenge in each.body.challenges if challenge.error is not None), None)
        found.append(f"{each.body.identifier.value}: {why or 'no reason given'}")
    port = (80, "http.acme_port", http.acme_port) if kinds[0] == HTTP_01 else (443, "http.port", http.port)
    return f"the authority does not find this server; port {port[0]} of the name has to reach {port[1]}, {port[2]}. {'; '.join(found)}"


def _of_tls(place: str, failed: requests.exceptions.SSLError) -> str:
    reason = str(failed)
    if "not yet valid" in reason or "has expired" in reason:
        return f"the certificate of {place} is not good at {datetime.now(UTC):%Y-%m-%d %H:%M}, as this machine's clock says: set the clock"
    return f"{place} has a certificate that this machine does not trust: {_root_of(failed)}"


def _root_of(failed: BaseException) -> str:
    """The innermost reason, without the names of classes and objects around it."""
    while (inner := failed.__cause__ or failed.__context__) is not None:
        failed = inner
    return getattr(failed, "strerror", None) or str(failed) or type(failed).__name__
