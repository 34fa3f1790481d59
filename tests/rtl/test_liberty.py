from pathlib import Path

import pytest

from hnlpu.errors import HnlpuError
from hnlpu.rtl.liberty import liberty_area_um2
from hnlpu.taps import TapsPlan

#: A library of four gates (abc refuses fewer) and a flip-flop of area 10.
LIBRARY = """\
library (tiny) {
  cell (INVX) { area : 1; pin (A) { direction : input; } pin (Y) { direction : output;
    function : "(!A)"; } }
  cell (NANDX) { area : 2; pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "(!(A*B))"; } }
  cell (NORX) { area : 2; pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "(!(A+B))"; } }
  cell (BUFX) { area : 2; pin (A) { direction : input; } pin (Y) { direction : output;
    function : "A"; } }
  cell (DFFX) { area : 10; ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; clock : true; } pin (D) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; } }
}
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.lib"
    path.write_text(LIBRARY)
    return path


def test_rows_add_up(library):
    """Area is rows x row + bundles x source + sequencer: linear in the rows."""
    areas = [liberty_area_um2(TapsPlan(rows, 6, 2, 2), library) for rows in (1, 2, 5)]
    row = areas[1] - areas[0]
    assert row > 0
    assert areas[2] - areas[1] == pytest.approx(3 * row)
    assert areas[0] > row


def test_the_areas_of_the_library_count(library):
    plan = TapsPlan(1, 6, 2, 2)
    before = liberty_area_um2(plan, library)
    library.write_text(LIBRARY.replace("area : 10", "area : 110"))
    registers = (liberty_area_um2(plan, library) - before) / 100
    # The accumulator, and the sequencer: phase, bit-time, valid.
    expected = plan.accumulator_bits + plan.product_bits - 1 + 2 + plan.product_bits + 1
    assert registers == pytest.approx(expected)


def test_bad_libraries(tmp_path):
    with pytest.raises(HnlpuError, match="cannot read the Liberty file"):
        liberty_area_um2(TapsPlan(1, 2), tmp_path / "none.lib")
    (tmp_path / "no.lib").write_text("not a library\n")
    with pytest.raises(HnlpuError, match="not a Liberty file"):
        liberty_area_um2(TapsPlan(1, 2), tmp_path / "no.lib")
