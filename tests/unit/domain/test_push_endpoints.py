"""Where a Web Push may be sent, and how somebody may try to have something else called."""

import pytest

from domain.errors import Invalid
from domain.push_endpoints import check_endpoint, load_hosts

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://fcm.googleapis.com/fcm/send/a:b-c_d", "https://fcm.googleapis.com"),
        ("https://fcm.googleapis.com:443/wp/x", "https://fcm.googleapis.com"),
        ("HTTPS://Updates.Push.Services.Mozilla.com/wpush/v2/gAAA==", "https://updates.push.services.mozilla.com"),
        ("https://autopush.stage.push.services.mozilla.com/x", "https://autopush.stage.push.services.mozilla.com"),
        ("https://web.push.apple.com/QGuQ", "https://web.push.apple.com"),
        ("https://wns2-par02p.notify.windows.com/w/?token=BQ%3d%3d", "https://wns2-par02p.notify.windows.com"),
    ],
)
def test_push_services_of_browsers_are_called(url: str, origin: str) -> None:
    assert check_endpoint(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "fcm.googleapis.com/x",
        "//fcm.googleapis.com/x",
        "http://fcm.googleapis.com/x",
        "ftp://fcm.googleapis.com/x",
        "https://fcm.googleapis.com",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com:0443/x",
        "https://fcm.googleapis.com:/x",
        "https://fcm.googleapis.com./x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evil.example/fcm.googleapis.com/x",
        "https://evilfcm.googleapis.com/x",
        "https://evilpush.apple.com/x",
        "https://push.apple.com/x",
        "https://a..push.apple.com/x",
        "https://.push.apple.com/x",
        "https://user@fcm.googleapis.com/x",
        "https://user:pw@fcm.googleapis.com/x",
        "https://fcm.googleapis.com@evil.example/x",
        "https://evil.example\\@fcm.googleapis.com/x",
        "https://evil.example#@fcm.googleapis.com/x",
        "https://evil.example?@fcm.googleapis.com/x",
        "https://fcm.googleapis.com\\.evil.example/x",
        "https://fcm.googleapis.com/x y",
        "https://fcm.googleapis.com/x\r\nHost: evil.example",
        "https://fcm.googleapis.com/x\n",
        " https://fcm.googleapis.com/x",
        "https://fcm.googleapiſ.com/x",  # lower-cased by some to s
        "https://fcm.googleapis。com/x",
        "https://fcm%2egoogleapis.com/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/x",
    ],
)
def test_nothing_else_is(url: str) -> None:
    with pytest.raises(Invalid):
        check_endpoint(url)


HOSTS = load_hosts(
    "Push.example, push.example:8443, http://127.0.0.1:9999, https://[::1]:7, http://plain.example, kelvin.example,"
)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://push.example/x", "https://push.example"),
        ("https://push.example:8443/x", "https://push.example:8443"),
        ("http://127.0.0.1:9999/x", "http://127.0.0.1:9999"),
        ("https://[::1]:7/x", "https://[::1]:7"),
        ("http://plain.example:80/x", "http://plain.example"),
        ("https://fcm.googleapis.com/x", "https://fcm.googleapis.com"),
    ],
)
def test_what_the_operator_adds_is_called(url: str, origin: str) -> None:
    assert check_endpoint(url, HOSTS) == origin


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example/x",
        "http://push.example:8443/x",
        "https://push.example:9999/x",
        "https://sub.push.example/x",
        "https://127.0.0.1:9999/x",
        "http://127.0.0.1:9998/x",
        "http://127.0.0.1/x",
        "https://[::1]/x",
        "https://plain.example/x",
        "https://\u212aelvin.example/x",  # the sign for kelvin, whose lower case is k
        "http://fcm.googleapis.com/x",
    ],
)
def test_what_is_near_to_that_is_not(url: str) -> None:
    with pytest.raises(Invalid):
        check_endpoint(url, HOSTS)


@pytest.mark.parametrize(
    "text", ["push.example/path", "ftp://push.example", "a b", "push.example:0", "push.example:65536", "*.example", "@"]
)
def test_a_list_of_hosts_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"hosts such as push\.example"):
        load_hosts(f"good.example,{text}")


def test_no_hosts_are_none() -> None:
    assert load_hosts(" , ") == frozenset()
