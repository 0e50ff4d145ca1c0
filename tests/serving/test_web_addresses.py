import asyncio
import ipaddress

import pytest

from serving.web_addresses import AddressRefused, is_public, parse, resolve


def answering(*addresses):
    async def look_up(host, port):
        return addresses

    return look_up


def resolved(*addresses, **options):
    target = parse("https://erp.example/in")
    return asyncio.run(resolve(target, look_up=answering(*addresses), **options))


def test_the_parts_of_an_address():
    target = parse("https://erp.example:8443/in?a=1")
    assert (target.host, target.port, target.path) == ("erp.example", 8443, "/in?a=1")
    assert target.authority == "erp.example:8443"
    assert parse("https://erp.example").path == "/"
    assert parse("https://[2606:4700::1111]/").authority == "[2606:4700::1111]"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "2002:7f00:1::",
        "2001:0:0:0:0:0:0:1",
        "64:ff9b::7f00:1",
    ],
)
def test_b56_an_address_that_leads_inside_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111"])
def test_an_address_on_the_internet_is_public(address):
    assert is_public(ipaddress.ip_address(address))


def test_b56_a_name_with_one_address_inside_is_refused_whole():
    assert resolved("93.184.215.14") == "93.184.215.14"
    with pytest.raises(AddressRefused, match="private network"):
        resolved("93.184.215.14", "127.0.0.1")


def test_a_name_without_an_address_is_refused():
    async def fail(host, port):
        raise OSError("no such host")

    with pytest.raises(AddressRefused, match="no address"):
        resolved()
    with pytest.raises(AddressRefused, match="no address"):
        asyncio.run(resolve(parse("https://erp.example/"), look_up=fail))


def test_inside_the_companys_network_private_addresses_do():
    assert resolved("10.0.0.1", allow_private=True) == "10.0.0.1"
    assert parse("http://erp.local/", allow_private=True).port == 80
    with pytest.raises(AddressRefused):
        parse("file:///etc/passwd", allow_private=True)
