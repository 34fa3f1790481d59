"""docs/chip.md says what ``hnlpu.host`` says."""

import re
from pathlib import Path

from hnlpu.host import Control, HostError, Register, Status, TokenWord
from hnlpu.reports.registers import host_tables

PAGE = Path(__file__).parents[2] / "docs" / "chip.md"


def test_the_page_has_the_tables_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    shown = re.search(r"<!-- hnlpu.reports.registers -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert shown is not None
    assert shown[1] == host_tables()


def test_every_member_has_a_row():
    table = host_tables()
    for kind in (Register, Control, Status, TokenWord, HostError):
        for member in kind:
            assert f"`{member.name}`" in table or member is Status.ERROR_SHIFT
    assert "| 3 | `PROMPT` | write only: a token, and LAST |\n" in table
    assert "| `STATUS` | from bit 8 | | the error's code |\n" in table
