"""Where webhooks may be posted to, and what is said of wrong settings."""

import base64
import ipaddress

import pytest

from workers.push.addresses import is_allowed, load_networks
from workers.push.webhook_settings import SECRETS_FORM, URL_FORM, WebhookSettings

pytestmark = pytest.mark.unit

SECRET = f"whsec_{base64.b64encode(b'a secret of 24 bytes ...').decode()}"


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "100::1",
    ],
)
def test_others_are_not_unless_they_are_named(address: str) -> None:
    parsed = ipaddress.ip_address(address)
    assert not is_allowed(parsed, ())
    assert is_allowed(parsed, load_networks("0.0.0.0/0, ::/0"))
    assert not is_allowed(parsed, load_networks("192.168.77.0/24, fd00:1::/64"))


@pytest.mark.parametrize(
    "url",
    ["https://app.example/hooks?key=1", "https://93.184.215.14:8443/", "http://10.1.2.3:80/x", "https://10.1.2.3"],
)
def test_good_urls(url: str) -> None:
    assert WebhookSettings.load(url, SECRET, "10.0.0.0/8").url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/",
        "http://93.184.215.14/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://127.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://１２７.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://user:pass@app.example/",
        "https://user@app.example",
        "https://app.example/#x",
        "https://app.example:0/",
        "https://app.example:99999/",
        "ftp://app.example/",
        "app.example",
        "https://",
        "/hooks",
        "https://[::1",
        "https://a\\@b/",
        "https://[::ffff:7f00:1]/",
        "http://192.168.0.1/",
    ],
)
def test_bad_urls(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        WebhookSettings.load(url, SECRET, "10.0.0.0/8")
    assert caught.value.args == (URL_FORM,)


@pytest.mark.parametrize(
    "secrets", ["", ",", "whsec_", SECRET.removeprefix("whsec_"), "whsec_c2hvcnQ=", f"{SECRET},whsec_!", SECRET + "é"]
)
def test_bad_secrets_are_not_quoted(secrets: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        WebhookSettings.load("https://app.example", secrets)
    assert caught.value.args == (SECRETS_FORM,)


def test_all_that_is_wrong_is_told_and_nothing_secret_is_shown() -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        WebhookSettings.load("nowhere", "none", "10.0.0.1/8")
    assert len(caught.value.args) == 3
    settings = WebhookSettings.load("https://app.example/s3cret", f"{SECRET}, {SECRET.rstrip('=')}")
    assert settings.secrets[0] == settings.secrets[1]
    assert repr(settings) == str(settings) == "WebhookSettings(app.example)"
