"""Web addresses that the service may call: none of its own network, whatever a name resolves to.

A name is resolved once and the connection goes to that very address: a name server that answers
otherwise a moment later changes nothing.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

URL_CHARACTERS = 2000
RESOLVE_SECONDS = 5.0
PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address inside an IPv6 one
_URL = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[A-Za-z0-9.:-]+")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressRefused(ValueError):  # noqa: N818 - the name says what happened
    """An address that the service must not call; the message says why, without the address."""


@dataclass(frozen=True)
class Target:
    """Where a message goes."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The host as the header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str, *, allow_private: bool = False) -> Target:
    """The parts of an address; AddressRefused for one that is not plain https.

    Inside a company's own network, which `allow_private` opens, http is enough.
    """
    if len(url) > URL_CHARACTERS or not _URL.fullmatch(url):
        raise AddressRefused(f"expected at most {URL_CHARACTERS} visible ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("expected a web address such as https://erp.example/in") from None
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes:
        raise AddressRefused(f"expected an address that begins with {' or '.join(schemes)}://")
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise AddressRefused("expected an address without user, password, fragment or backslash")
    if port == 0 or not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise AddressRefused("expected a host, and a port from 1 to 65535 if any")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname, port or PORTS[parts.scheme], path)


async def resolve(target: Target, *, allow_private: bool = False, look_up: LookUp) -> str:
    """The one address to connect to; AddressRefused where any of the host's is not public."""
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await look_up(target.host, target.port)
    except (OSError, UnicodeError, TimeoutError):
        raise AddressRefused("the host has no address") from None
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
    if not addresses:
        raise AddressRefused("the host has no address")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise AddressRefused("the host is inside a private network, or is this machine")
    return str(addresses[0])


async def look_up(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: Address) -> bool:
    """Whether an address belongs to somebody on the Internet, and is no disguise of one that does
    not."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address.sixtofour or address.teredo or address in NAT64:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
