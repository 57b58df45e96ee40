"""`hugmood` hands the arguments on, and does not make others wait for the load tester."""

import subprocess
import sys

import pytest

from deploy.cli import main

pytestmark = pytest.mark.unit

LOOK = "import sys; from deploy.cli import build_parser; build_parser({}); print('loadtest' in sys.modules)"


def test_other_commands_do_not_import_it() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("arguments", [["up", "--fast"], ["migrate", "now"]])
def test_others_still_refuse_what_they_do_not_know(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert f"unrecognized arguments: {arguments[1]}" in capsys.readouterr().err
