"""Keys of encrypted fields: how they are read, what is refused, and that nothing but `line` shows them."""

import logging
from base64 import b64encode
from datetime import date

import pytest

from deploy.logs import JsonFormatter
from storage.encryption_keys import EncryptionKey, check_keys, load_keys, make_key

pytestmark = pytest.mark.unit

OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("2026-new", b"n" * 32)
FORM = "must hold ID:base64 of 32 bytes for each key: "


def wrong_with(text: str) -> tuple[str, ...]:
    with pytest.raises(ValueError, match=r"must (not )?hold") as caught:
        load_keys(text)
    return caught.value.args


@pytest.mark.parametrize("between", [",", "\n", "\r\n", " , ", ",\n"])
def test_a_list_of_keys_keeps_its_order(between: str) -> None:
    assert load_keys(between.join([NEW.line, OLD.line])) == (NEW, OLD)
    assert load_keys(NEW.line + between) == (NEW,)


@pytest.mark.parametrize(
    "key_id", ["", "a" * 17, "Old", "old_1", "o.d", "ä", "old\n"], ids=["empty", "long", "A", "_", ".", "ä", "newline"]
)
def test_ids_are_short_and_plain(key_id: str) -> None:
    with pytest.raises(ValueError, match="an id that is not 1 to 16 of a-z, 0-9 and -"):
        EncryptionKey(key_id, b"o" * 32)


@pytest.mark.parametrize("secret", [b"", b"o" * 16, b"o" * 31, b"o" * 33])
def test_keys_are_of_32_bytes(secret: bytes) -> None:
    encoded = b64encode(secret).decode()
    assert wrong_with(f"old:{encoded}") == (
        f"{FORM}key 1 has something else than the base64 of 32 bytes behind its id",
    )


@pytest.mark.parametrize("encoded", ["*" * 44, "b" * 43, OLD.line[4:-1], OLD.line[4:] + "=", "ö" * 44, ""])
def test_bad_base64_is_refused(encoded: str) -> None:
    assert wrong_with(f"old:{encoded}") == (
        f"{FORM}key 1 has something else than the base64 of 32 bytes behind its id",
    )


def test_everything_wrong_is_said_at_once_and_nothing_secret() -> None:
    hidden = OLD.line.partition(":")[2]
    found = wrong_with(f"{hidden}:old,{NEW.line},Hidden:{hidden},old:{hidden[:-4]}")
    assert [problem.removeprefix(FORM).split()[:5] for problem in found] == [
        ["key", "1", "has", "an", "id"],
        ["key", "1", "has", "something", "else"],
        ["key", "3", "has", "an", "id"],
        ["key", "4", "has", "something", "else"],
    ]
    assert hidden[:8] not in "".join(found)
    assert "Hidden" not in "".join(found)


@pytest.mark.parametrize("text", [" ", ",", "\n,\n"])
def test_an_empty_list_is_refused(text: str) -> None:
    assert wrong_with(text) == ("must hold at least one key, as ID:base64 of 32 bytes",)
    with pytest.raises(ValueError, match="at least one key"):
        check_keys([])


def test_no_id_and_no_key_is_there_twice() -> None:
    assert wrong_with(f"{OLD.line},{NEW.line},{OLD.line}") == ("must not hold two keys with the id old",)
    renamed = EncryptionKey("renamed", OLD.secret)
    assert wrong_with(f"{OLD.line},{renamed.line}") == (
        "must not hold one key under two ids: that of renamed is there before",
    )


def test_new_keys_are_good_and_random() -> None:
    keys = [make_key(date(2026, 3, 1)) for _ in range(20)]
    assert load_keys("\n".join(key.line for key in keys)) == tuple(keys)
    assert all(key.id.startswith("20260301-") for key in keys)


def test_a_key_is_in_no_repr_and_no_log() -> None:
    record = logging.makeLogRecord({"msg": "started with %s", "args": (OLD,), "key": OLD, "keys": [NEW, OLD]})
    shown = JsonFormatter().format(record) + repr((OLD, NEW)) + str(OLD)
    assert "old" in shown
    for key in (OLD, NEW):
        assert key.line.partition(":")[2][:8] not in shown
        assert key.secret.decode()[:8] not in shown
