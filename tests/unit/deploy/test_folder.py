"""The data folder and whom we run servers as. Touches a temporary folder; starts nothing."""

import os
import stat
from pathlib import Path

import pytest

from deploy.children import Account, CannotStart
from deploy.folder import DataFolder, InUse
from deploy.privileges import can_execute, can_pass, make_folder
from storage.encryption_keys import load_keys
from tests.support.keys import KEY
from tests.support.servers import temporary_folder

pytestmark = pytest.mark.unit

STRANGER = Account(54_321, 54_321)


def test_only_one_holds_it_and_what_it_knows_stays() -> None:
    with temporary_folder() as parent:
        folder = DataFolder.hold(parent / "data")
        folder.state.postgres_port = 12_345
        folder.save_state()
        password, secret = folder.state.postgres_password, folder.secret_file().read_bytes()
        with pytest.raises(InUse, match=f"process {os.getpid()}"):
            DataFolder.hold(parent / "data")
        folder.release()
        again = DataFolder.hold(parent / "data")
        assert (again.state.postgres_port, again.state.postgres_password) == (12_345, password)
        assert again.secret_file().read_bytes() == secret
        assert len(secret) >= 32
        again.release()


def test_what_is_secret_is_ours_alone() -> None:
    with temporary_folder() as parent:
        folder = DataFolder.hold(parent / "data")
        folder.secret_file()
        folder.keys_file()
        os.close(folder.open_log("hub-1"))
        for name in ("servers.json", "secret", "encryption-keys", "lock", "log/hub-1.log"):
            assert stat.S_IMODE((parent / "data" / name).stat().st_mode) == 0o600
        folder.release()


def test_a_folder_gets_one_key_and_keeps_what_is_there() -> None:
    """Also a folder of a version that had none, and one whose operator has added another."""
    with temporary_folder() as parent:
        DataFolder.hold(parent / "data").release()
        folder = DataFolder.hold(parent / "data")
        file = folder.keys_file()
        (key,) = load_keys(file.read_text())
        assert folder.keys_file().read_text() == f"{key.line}\n"
        file.write_text(f"{KEY.line}\n{key.line}\n")
        folder.release()
        again = DataFolder.hold(parent / "data")
        assert load_keys(again.keys_file().read_text()) == (KEY, key)
        again.release()


def test_a_log_that_is_too_large_is_put_aside() -> None:
    with temporary_folder() as parent:
        folder = DataFolder.hold(parent / "data")
        os.close(folder.open_log("hub-1"))
        os.truncate(folder.log_path("hub-1"), 11 * 1024 * 1024)
        os.close(folder.open_log("hub-1"))
        assert folder.log_path("hub-1").stat().st_size == 0
        assert folder.log_path("hub-1").with_suffix(".log.old").exists()
        folder.release()


def test_damaged_memory_is_told_and_the_folder_given_back() -> None:
    with temporary_folder() as parent:
        DataFolder.hold(parent / "data").release()
        (parent / "data" / "servers.json").write_text("{")
        for _ in range(2):
            with pytest.raises(CannotStart, match=r"servers\.json is damaged"):
                DataFolder.hold(parent / "data")


def test_a_file_in_its_place_is_told() -> None:
    with temporary_folder() as parent:
        (parent / "data").write_text("")
        with pytest.raises(CannotStart):
            DataFolder.hold(parent / "data")
        with pytest.raises(CannotStart):
            DataFolder.hold(parent / "missing" / "data")


def test_who_may_pass_and_run(tmp_path: Path) -> None:
    with temporary_folder() as parent:
        program = parent / "program"
        program.write_text("")
        for mode, expected in ((0o755, True), (0o744, False), (0o711, False), (0o700, False)):
            program.chmod(mode)
            assert can_execute(program, STRANGER) is expected
        assert can_pass(parent, STRANGER)
        parent.chmod(0o700)
        program.chmod(0o755)
        assert not can_execute(program, STRANGER)
        assert can_pass(parent, Account(os.geteuid(), os.getegid()))


def test_a_folder_that_is_there_keeps_its_mode() -> None:
    with temporary_folder() as parent:
        make_folder(parent / "new", 0o711)
        assert stat.S_IMODE((parent / "new").stat().st_mode) == 0o711
        make_folder(parent / "new", 0o755)
        assert stat.S_IMODE((parent / "new").stat().st_mode) == 0o711
