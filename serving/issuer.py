"""The issuer of tokens: where its keys are, read through its discovery document and kept.

The keys are read again beside the requests; a token that names an unknown key has them read at
once, but not more often than every few seconds, so that nobody can make us trouble the issuer.
While it does not answer, the keys that were known go on counting.
"""

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from serving.security import LOOPBACK

logger = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 600.0  # a key that was withdrawn works so long at most
UNKNOWN_KEY_SECONDS = 10.0
ANSWER_SECONDS = 5.0
DOCUMENT_BYTES = 256 * 1024  # key sets have a few kB
WELL_KNOWN = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")

Fetch = Callable[[str], bytes]


class IssuerAway(Exception):  # noqa: N818  # a state, as RecordsAway
    """The issuer's keys have never been read, so no token can be judged."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def fetch(url: str) -> bytes:
    """A document by HTTPS (by HTTP on this machine); OSError or ValueError where there is none."""
    require_safe(url)
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(url, timeout=ANSWER_SECONDS) as answer:
        content: bytes = answer.read(DOCUMENT_BYTES + 1)
    if len(content) > DOCUMENT_BYTES:
        raise ValueError(f"{url} has more than {DOCUMENT_BYTES} bytes")
    return content


def require_safe(url: str) -> None:
    """Raises ValueError for an address at which somebody on the way could answer."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError(f"the address must begin with https://, got: {url}")


@dataclass
class IssuerKeys:
    """The keys with which the issuer signs, by their names."""

    issuer: str
    fetch: Fetch = fetch
    clock: Callable[[], float] = time.monotonic
    fault: str | None = None  # why the last reading failed
    _known: Mapping[str, PyJWK] | None = None
    _read_at: float | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, name: str) -> PyJWK | None:
        """The key of this name, None where the issuer has none; IssuerAway where nobody knows."""
        if self._known is None or name not in self._known:
            async with self._reading:
                if name not in (self._known or {}) and self._may_read_again():
                    await asyncio.to_thread(self.refresh)
        if self._known is None:
            raise IssuerAway
        return self._known.get(name)

    def refresh(self) -> None:
        """Read the keys again; where that fails those that were known stay."""
        self._read_at = self.clock()
        try:
            self._known = self._read()
        except (OSError, ValueError, TypeError, KeyError, HTTPException, PyJWTError) as fault:
            if self.fault is None:  # said once, not every time
                logger.error("the issuer's keys could not be read: %s", fault)
            self.fault = str(fault)
            return
        self.fault = None

    async def keep_fresh(self) -> None:
        """Reads the keys at once and then again and again, beside the requests."""
        while True:
            async with self._reading:
                await asyncio.to_thread(self.refresh)
            await asyncio.sleep(READ_AGAIN_SECONDS)

    def _may_read_again(self) -> bool:
        return self._read_at is None or self.clock() - self._read_at >= UNKNOWN_KEY_SECONDS

    def _read(self) -> dict[str, PyJWK]:
        described = json.loads(self.fetch(self.issuer.rstrip("/") + WELL_KNOWN))
        if described["issuer"] != self.issuer:
            raise ValueError(f"the issuer calls itself {described['issuer']}, not {self.issuer}")
        keys = PyJWKSet.from_dict(json.loads(self.fetch(described["jwks_uri"])))
        return {
            key.key_id: key
            for key in keys
            if key.key_id
            and key.algorithm_name in ALGORITHMS
            and key.public_key_use in (None, "sig")
        }
