"""Floorplan: where the rows of a tap crossbar lie, and where its lines are driven.

    right end    accumulators of the rows, below no metal of the weights
    row          one strip, as high as its stubs or its transistors ask

Contract (checked by ``tests/layout/test_floorplan.py``): a strip holds its stubs and the transistors of its
row; no line is longer than the repeaters allow.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.layout.ground import Ground, accumulator_transistors, segment_rows
from hnlpu.layout.rules import Rules
from hnlpu.layout.stations import Kind, Stations, plan_stations, stub_pitch_nm
from hnlpu.taps import TapsPlan

__all__ = ["Floorplan", "plan_floorplan"]


@dataclass(frozen=True, eq=False)
class Floorplan(Ground):
    """An array on the ground.

    Attributes
    ----------
    plan : TapsPlan
    rules : Rules
    stations : Stations
    row_tracks : int
        Height of a row in pitches of stubs; at least its stubs.
    segment_rows : int
        Rows between turns.
    row_transistors : int
        Of a row: ports, adders, accumulator.
    end_nm : int
        Width right of the stations that the accumulators take.
    """

    plan: TapsPlan
    rules: Rules
    stations: Stations
    row_tracks: int
    segment_rows: int
    row_transistors: int
    end_nm: int

    @property
    def masks(self) -> tuple[str, ...]:
        return tuple(mask for mask in ("M7", *self.rules.masks) if mask not in ("VIA10", "M11"))

    @property
    def weight_masks(self) -> tuple[str, ...]:
        return ("VIA8", "VIA9")

    @property
    def cut_exposures(self) -> int:
        return 1

    @property
    def lines_on_m8(self) -> bool:
        return True

    def stub_y_nm(self, row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Centres of the stubs of each row, (n, stubs)."""
        offsets = np.arange(self.stations.n_stubs) * self.pitch_nm + self.pitch_nm // 2
        return self.row_y_nm(np.asarray(row))[..., None] + offsets

    def pad_column(self, row: npt.NDArray[np.int64], kind: Kind) -> npt.NDArray[np.int64]:
        """Which column of pads each stub of each row uses, (n, stubs)."""
        number = np.asarray(row)[..., None] * self._odd + np.arange(self.stations.n_stubs)
        return np.asarray(number % len(kind.pads))

    @property
    def _odd(self) -> int:
        """Stubs of neighbouring rows go on counting where no track lies between them."""
        return self.stations.n_stubs if self.row_tracks == self.stations.n_stubs else 0

    @property
    def row_period(self) -> int:
        """Rows after which the pads repeat."""
        return 2 if self._odd % 2 and any(len(k.pads) > 1 for k in self.stations.kinds) else 1

    @property
    def width_nm(self) -> int:
        return self.stations.width_nm + self.end_nm

    @property
    def wires_um2_per_weight(self) -> float:
        """What lines and stubs alone ask for: the width of the stations, and a track for each stub."""
        row = self.stations.width_nm * self.stations.n_stubs * self.pitch_nm
        return row * 1e-6 / self.plan.n_columns

    @property
    def silicon_um2_per_weight(self) -> float:
        """What the transistors of the rows ask for."""
        return self.row_transistors / self.rules.silicon.mtransistor_per_mm2 / self.plan.n_columns


def plan_floorplan(
    plan: ArrayPlan,
    rules: Rules,
    *,
    layers: str = "both",
    row_transistors: int | None = None,
) -> Floorplan:
    """Ground of an array: the width of bundles and the height of rows that take least area.

    Parameters
    ----------
    plan : TapsPlan
    rules : Rules
    layers : str
        Layers that lines may lie on, see :func:`hnlpu.layout.stations.plan_stations`.
    row_transistors : int, optional
        Transistors of a row as counted; left out, ports and adders of the plan and an accumulator.

    Raises
    ------
    HnlpuError
        Not a tap crossbar.
    """
    narrow = plan_stations(plan, rules, layers=layers)
    assert isinstance(plan, TapsPlan)
    accumulator = accumulator_transistors(plan)
    if row_transistors is None:
        row_transistors = plan.row_transistors + accumulator
    if row_transistors < 1:
        raise HnlpuError("a row without transistors", where=plan.name, got=str(row_transistors),
                         do="give the count of a row")  # fmt: skip
    density = rules.silicon.mtransistor_per_mm2
    strip_um2 = max(0, row_transistors - accumulator) / density
    pitch = stub_pitch_nm(rules)
    n_stubs = narrow.n_stubs
    best: tuple[int, int, Stations] | None = None
    # A strip that is one track higher may be narrower: try each, until it is as narrow as wires allow.
    others = narrow.width_nm - sum(
        narrow.kinds[kind].width_nm for kind in narrow.kind if narrow.kinds[kind].name == "bundle"
    )
    tracks = n_stubs
    while best is None or tracks * pitch * narrow.width_nm < best[0]:
        needed = strip_um2 * 1e6 / (tracks * pitch)
        bundle = max(0, ceil((needed - others) / plan.n_bundles / 20) * 20)
        stations = plan_stations(plan, rules, layers=layers, bundle_nm=bundle)
        area = stations.width_nm * tracks * pitch
        if best is None or area < best[0]:
            best = area, tracks, stations
        tracks += 1
    _, tracks, stations = best
    row_um = tracks * pitch * 1e-3
    return Floorplan(
        plan=plan,
        rules=rules,
        stations=stations,
        row_tracks=tracks,
        segment_rows=segment_rows(rules, tracks * pitch),
        row_transistors=row_transistors,
        end_nm=ceil(accumulator / density / row_um * 1e3 / 20) * 20,
    )
