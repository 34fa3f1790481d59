"""A Liberty file is read as far as netlists need it."""

import pytest
from timers import LIBRARY, LOAD, needs_liberty

from hnlpu.errors import HnlpuError
from hnlpu.rtl.liberty_cells import read_cells
from hnlpu.tools import find_liberty


def test_cells(tmp_path):
    path = tmp_path / "tiny.lib"
    path.write_text(LIBRARY)
    library = read_cells(path)
    assert library.name == "tiny" and len(library.cells) == 6
    assert library.inverter.name == "INVX"
    assert [cell.name for cell in library.buffers] == ["BUFX", "BUFX2"]
    nand = library.cells["NANDX"]
    assert nand.loads_ff == {"A": LOAD * 1e3, "B": LOAD * 1e3} and nand.output == "Y"
    register = library.cells["DFFX"]
    assert register.is_register and register.area == 10 and register.output == "Q"


def test_units_and_comments(tmp_path):
    path = tmp_path / "tiny.lib"
    text = LIBRARY.replace("capacitive_load_unit (1, pf)", "capacitive_load_unit (100, ff)")
    path.write_text("/* cell (NONE) { */ " + text)
    library = read_cells(path)
    assert (
        library.inverter.loads_ff["A"] == pytest.approx(LOAD * 100) and "NONE" not in library.cells
    )


@needs_liberty
def test_a_real_library():
    library = read_cells(find_liberty())
    assert library.inverter.name == "INVX1" and len(library.cells) == 32
    assert library.buffers[0].name == "BUFX2"
    assert library.cells["AOI22X1"].functions["Y"].startswith("!")


def test_errors(tmp_path):
    with pytest.raises(HnlpuError, match="cannot read the Liberty file"):
        read_cells(tmp_path / "none.lib")
    path = tmp_path / "some.lib"
    path.write_text("not a library\n")
    with pytest.raises(HnlpuError, match="not a Liberty file"):
        read_cells(path)
    path.write_text(LIBRARY.replace('"(!A)"', '"(A*A)"'))
    with pytest.raises(HnlpuError, match="lacks an inverter"):
        _ = read_cells(path).inverter
    with pytest.raises(HnlpuError, match="lacks the cell"):
        read_cells(path).cell("BUFX9")
