"""Demo: the main job from end to end on the checkpoint that ships with the package."""

import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from hnlpu.estimation import estimate
from hnlpu.generator import generate
from hnlpu.inspection import inspect
from hnlpu.progress import Progress, Silent
from hnlpu.reports.report import write_report
from hnlpu.verification.readback import readback
from hnlpu.verification.verify import verify

__all__ = ["demo"]


def demo(
    out: str | Path, *, force: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Inspect, generate, read back, verify, estimate and report the packaged adder model.

    Parameters
    ----------
    out : path
        Receives ``bundle/`` and ``report/``.

    Returns
    -------
    dict
        Results of each stage and ``ok``: nothing mismatched and every mutant was caught.
    """
    started = time.monotonic()
    show = progress or Silent()
    bundle, report = Path(out) / "bundle", Path(out) / "report"
    with as_file(files("hnlpu") / "data" / "demo") as checkpoint:
        inspected = inspect(checkpoint, progress=show)
        generate(checkpoint, bundle, force=force, progress=show)
        read = readback(bundle, checkpoint, progress=show)
    verified = verify(bundle, progress=show)
    estimated = estimate(bundle, progress=show)
    write_report(bundle, report)
    wrong = read["missing"] + read["mismatches"] + read["constant_mismatches"]
    wrong += read["image_mismatches"] + read["base_cells_in_metal"] + verified["mismatches"]
    return {
        "ok": not wrong and verified["mutants"] == verified["mutants_killed"] > 0,
        "inspect": inspected["totals"],
        "readback": {key: value for key, value in read.items() if key != "tensors"},
        "verify": verified,
        "estimate": estimated.as_dict(),
        "bundle": str(bundle),
        "page": str(report / "index.html"),
        "seconds": round(time.monotonic() - started, 1),
    }
