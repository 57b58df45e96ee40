"""An endpoint that is allowed goes where it was allowed to, however the one who connects reads it."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from domain.errors import Invalid
from domain.push_endpoints import KNOWN_DOMAINS, KNOWN_HOSTS, check_endpoint, load_hosts

pytestmark = pytest.mark.property

MORE = load_hosts("push.example:8443, http://127.0.0.1:9999")
PIECES = st.sampled_from(
    [
        *("https://", "HTTPS://", "http://", "//", "/", "\\", ":", "443", "8443", "9999", "@", "#", "?", "%2e", "%40"),
        *(".", "..", " ", "\t", "\r\n", "\0", "[", "]", "::1", "。", "ſ", "evil.example", "127.0.0.1", "user:pw"),
        *("fcm.googleapis.com", "FCM.googleapis.com", "web.push.apple.com", "x.notify.windows.com", "push.example"),
    ]
)


@given(
    st.one_of(
        st.lists(PIECES, max_size=8).map("".join), st.text(max_size=30).map("https://fcm.googleapis.com{}".format)
    )
)
def test_all_readers_of_an_allowed_endpoint_see_the_same_host(url: str) -> None:
    try:
        origin = check_endpoint(url, MORE)
    except Invalid:
        return
    seen = URL(url, encoded=True)
    assert str(seen.origin()) == origin
    assert (seen.user, seen.password) == (None, None)
    host = urlsplit(url).hostname
    assert host == seen.host
    assert host is not None
    is_known = origin.startswith("https:") and (host in KNOWN_HOSTS or host.endswith(KNOWN_DOMAINS))
    assert is_known or origin in {"https://push.example:8443", "http://127.0.0.1:9999"}


@given(st.text("abcXYZ019-_=%./?&:@~!", max_size=200))
def test_any_path_of_a_known_host_is_allowed(path: str) -> None:
    assert check_endpoint(f"https://fcm.googleapis.com/{path}") == "https://fcm.googleapis.com"
