"""Tokens: who comes with a bearer token (JWT) of the issuer that the settings name.

Only signatures with the issuer's public keys count: a token says neither which algorithm is good
enough nor where keys are. What it allows stands in one claim, in words that the settings translate.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    PyJWTError,
)

from pipelines.settings import Settings
from serving.issuer import ALGORITHMS, IssuerKeys, require_safe

TOKEN_BYTES = 8192  # tokens with a hundred groups have 4 kB
LEEWAY_SECONDS = 30  # by so much two clocks may differ
REQUIRED = ["exp", "iss", "aud", "sub"]
_OPAQUE = re.compile(r"[A-Za-z0-9._|:-]{1,120}", re.ASCII)
SAID: Mapping[type[Exception], str] = {
    ExpiredSignatureError: "The token has expired.",
    ImmatureSignatureError: "The token is not valid yet.",
    InvalidAudienceError: "The token is for another service.",
    InvalidIssuerError: "The token is of another issuer.",
}


class TokenRefused(Exception):  # noqa: N818  # what is said to the client
    """The token opens nothing; the message may be told."""


@dataclass(frozen=True)
class Bearer:
    """Who the token is about, and what it lets them do."""

    name: str
    scopes: frozenset[str]


@dataclass
class Tokens:
    """Judges tokens by what the settings ask of them."""

    keys: IssuerKeys
    audience: str
    scopes_claim: str
    words: Mapping[str, str]  # the claim's word -> our scope
    tenant: tuple[str, str] | None = None  # the claim that names the company, and its name

    @classmethod
    def of(cls, settings: Settings) -> "Tokens":
        assert settings.oidc_issuer is not None
        assert settings.oidc_audience is not None
        require_safe(settings.oidc_issuer)
        words = {settings.oidc_read: "read", settings.oidc_write: "write"}
        keys = IssuerKeys(settings.oidc_issuer)
        claim, name = settings.oidc_tenant_claim, settings.tenant
        tenant = (claim, name) if claim and name else None
        return cls(keys, settings.oidc_audience, settings.oidc_scopes_claim, words, tenant)

    def is_named_by(self, token: bytes) -> bool:
        """Whether the token says that it is for us; nothing of it is believed before `check`."""
        if len(token) > TOKEN_BYTES:
            return False
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except (PyJWTError, ValueError, TypeError, RecursionError):
            return False
        audiences = claims.get("aud")
        named = audiences if isinstance(audiences, list) else [audiences]
        is_ours = claims.get("iss") == self.keys.issuer and self.audience in named
        return is_ours and self._is_for_tenant(claims)

    def _is_for_tenant(self, claims: Mapping[str, Any]) -> bool:
        return self.tenant is None or self.tenant[1] in _words(claims, self.tenant[0])

    async def check(self, token: bytes) -> Bearer:
        """Who comes; TokenRefused, or IssuerAway while no key of the issuer is known."""
        if len(token) > TOKEN_BYTES:
            raise TokenRefused(f"The token has more than {TOKEN_BYTES} bytes.")
        try:
            key = await self.keys.find(_key_name(token))
            if key is None:
                raise TokenRefused("The token is signed with a key that the issuer does not have.")
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.audience,
                issuer=self.keys.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": REQUIRED, "enforce_minimum_key_length": True},
            )
        except (PyJWTError, ValueError, TypeError, RecursionError) as fault:
            raise TokenRefused(SAID.get(type(fault), "The token is not valid.")) from None
        if not self._is_for_tenant(claims):
            raise TokenRefused("The token is for another company.")
        allowed = {self.words[word] for word in _words(claims, self.scopes_claim) & {*self.words}}
        return Bearer(f"oidc:{_opaque(claims['sub'])}", frozenset(allowed))


def _key_name(token: bytes) -> str:
    header = jwt.get_unverified_header(token)
    name = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(name, str):
        raise TokenRefused("The token names no key of the issuer.")
    return name


def _words(claims: Mapping[str, Any], claim: str) -> set[str]:
    """The words of a claim: text with spaces or a list, also inside others (`a.b`)."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = found.split() if isinstance(found, str) else found
    return {word for word in listed if isinstance(word, str)} if isinstance(listed, list) else set()


def _opaque(subject: str) -> str:
    """The subject for logs: as it is where it is a plain id, a hash where it may be an address."""
    if _OPAQUE.fullmatch(subject):
        return subject
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:24]
