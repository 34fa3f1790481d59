"""Liberty: area of a base in the cells of a real library.

Every distinct module is mapped flat, leaf cells included, with ``dfflibmap`` and ``abc``; the array's area
is the sum over its modules as often as each stands in it. No placement, no wires.

Contract (checked by ``tests/rtl/test_liberty.py``).
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from hnlpu.base import ArrayPlan
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.liberty_text import read_liberty
from hnlpu.rtl.rows import row_component
from hnlpu.rtl.synthesis import run_yosys

__all__ = ["liberty_area_um2"]


def liberty_area_um2(plan: ArrayPlan, liberty: Path) -> float:
    """Cell area of a whole base.

    Parameters
    ----------
    plan : ArrayPlan
    liberty : Path
        A ``.lib`` file; its areas are taken to be in um2.

    Raises
    ------
    HnlpuError
        No such file, or yosys cannot use it.
    """
    text = read_liberty(liberty)
    modules = {name: "".join(pieces) for name, pieces in base_modules(replace(plan, n_rows=1))}
    row = Library().prototype(*row_component(plan)).module_name
    source = next(name for name in modules if name.startswith("hn_source"))
    sequencer = next(name for name in modules if name.startswith("hn_sequencer"))
    below = [text for name, text in modules.items() if name != replace(plan, n_rows=1).name]
    area = {}
    with tempfile.TemporaryDirectory(prefix="hnlpu-") as folder_name:
        folder = Path(folder_name)
        (folder / "cells.lib").write_text(text, encoding="utf-8")
        (folder / "modules.v").write_text("\n".join(below), encoding="utf-8")
        for top in (row, source, sequencer):
            run_yosys(
                f"read_verilog modules.v\nhierarchy -check -top {top}\nproc\nflatten\nopt\n"
                "techmap\ndfflibmap -liberty cells.lib\nabc -liberty cells.lib\nopt_clean -purge\n"
                "tee -q -o stat.json stat -json -liberty cells.lib\n",
                folder,
            )
            found = json.loads((folder / "stat.json").read_text(encoding="utf-8"))
            area[top] = float(found["design"]["area"])
    return plan.n_rows * area[row] + plan.n_bundles * area[source] + area[sequencer]
