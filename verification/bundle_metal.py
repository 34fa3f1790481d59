"""Bundle metal: the wiring of a bundle's matrices, from its Verilog.

Contract (checked by ``tests/verification/test_mask_readback.py``): what is drawn, timed, damaged or compared is what
was verified.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.bundle import read_manifest
from hnlpu.errors import HnlpuError
from hnlpu.metal import MetalPlan
from hnlpu.verification.readback import read_metal

__all__ = ["BundleMetal"]


class BundleMetal:
    """Matrices and bases of a bundle.

    Parameters
    ----------
    path : Path
        A folder that :func:`hnlpu.generate` wrote.

    Attributes
    ----------
    path : Path
    matrices : list of dict
        Entries of the manifest.
    bases : dict of str to dict
        Entries of the manifest, by name.

    Raises
    ------
    HnlpuError
        Not a bundle.
    """

    def __init__(self, path: Path) -> None:
        manifest = read_manifest(path)
        self.path = path
        self.matrices: list[dict[str, Any]] = manifest["matrices"]
        self.bases: dict[str, dict[str, Any]] = {base["name"]: base for base in manifest["bases"]}

    def matching(self, match: str) -> list[dict[str, Any]]:
        """Matrices whose names hold ``match``; HnlpuError where there are none."""
        found = [entry for entry in self.matrices if match in entry["name"]]
        if not found:
            raise HnlpuError("no matrix of this name", where=f"{self.path / 'manifest.json'}",
                             got=repr(match), do="see names.json of the bundle")  # fmt: skip
        return found

    def plan(self, base: str) -> ArrayPlan:
        """Parameters of a base."""
        return plan_from_dict(self.bases[base]["parameters"])

    def metal(self, entry: Mapping[str, Any]) -> MetalPlan:
        """The wiring of a matrix; raises as :func:`hnlpu.verification.readback.read_metal`."""
        files = [self.path / file for file in self.bases[entry["base"]]["files"]]
        return read_metal(self.path / entry["metal"], files, self.plan(entry["base"]))
