"""The model of cycles beside the RTL: every beat of every stream of every chip, in the cycle in which it moved."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hnlpu.bundle import read_manifest
from hnlpu.chip import Chip
from hnlpu.chip_loading import chip_from_bundle
from hnlpu.chip_plan import plans_from_manifest
from hnlpu.errors import HnlpuError
from hnlpu.grid import Tile
from hnlpu.host import Register
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.cycle_chip import MODELS, ChipCycles, build, grid_layout
from hnlpu.sim.cycle_tokens import Text, Token
from hnlpu.sim.fixed_point import Integers
from hnlpu.sim.network import Block
from hnlpu.sim.sampler import Sampler
from hnlpu.verification.chip_harness import boot_script
from hnlpu.verification.chip_run import Run, Step
from hnlpu.verification.cycle_bench import bench_driver, first_cycle

__all__ = [
    "CycleComparison",
    "CycleDifference",
    "TwinWorkload",
    "compare_cycles",
    "predict_cycles",
]


@dataclass(frozen=True, slots=True)
class CycleDifference:
    """A stream whose beats move in other cycles.

    Attributes
    ----------
    stream : str
    beats : int
        That differ, are missing or are too many.
    first : int
        Number of the first of them.
    expected, got : int or None
        Its cycle in the model and in the RTL.
    """

    stream: str
    beats: int
    first: int
    expected: int | None
    got: int | None


@dataclass(frozen=True, slots=True)
class CycleComparison:
    """What a comparison found.

    Attributes
    ----------
    streams, beats : int
        Of the RTL.
    differences : list of CycleDifference
        The earliest first.
    """

    streams: int
    beats: int
    differences: list[CycleDifference]


class TwinWorkload:
    """Sequences as the twin computes them, each from nothing.

    Parameters
    ----------
    chip : Chip
    context : int
        Positions of the chip.
    """

    def __init__(self, chip: Chip, context: int) -> None:
        self._chip, self._context = chip, context
        # One for all sequences, as in the chip: tokens are taken in the order in which they enter.
        self._sampler = Sampler(chip.numerics, temperature=0, top_k=0, seed=1)

    def begin(self) -> Text:
        """The next sequence."""
        return _TwinText(self._chip, self._context, self._sampler)

    def setting(self, register: Register, word: int) -> None:
        """The sampler is told so."""
        if register == Register.SEED:
            self._sampler.state = word or 1
        else:
            setattr(self._sampler, register.name.lower(), word)


class _TwinText:
    def __init__(self, chip: Chip, context: int, sampler: Sampler) -> None:
        self._traced: dict[str, Integers] = {}
        self._twin = ChipTwin(chip, context=context, trace=self._traced.__setitem__)
        self._n_layers = len(chip.layers) if chip.shape.is_moe else 0
        self._sampler = sampler

    def take(self, token: int) -> Token:
        logits = self._twin.forward([[token]])[0, 0]
        chosen = tuple(
            tuple(self._traced[f"layer_{i}.chosen"][0, 0].tolist()) for i in range(self._n_layers)
        )
        return Token(chosen, self._sampler(logits))


def predict_cycles(
    bundle: Path,
    steps: Sequence[Step],
    *,
    stalls: bool = False,
    models: Mapping[str, type[Block]] = MODELS,
) -> ChipCycles:
    """The cycle of every beat of a run of the bench, from the plan of a bundle and what the twin computes.

    Parameters
    ----------
    bundle : path
    steps : sequence of Step
        What the bench is asked to do.
    stalls : bool
        The chip's streams can pause.
    models : mapping of kind to model

    Raises
    ------
    HnlpuError
        Links shall err: the model holds for links without errors.
    """
    manifest = read_manifest(bundle)
    plans = plans_from_manifest(manifest)
    if plans[Tile()].link.crc and any(s["kind"] == "glitch" and s["on"] for s in steps):
        raise HnlpuError("no cycles are predicted for links that err", where=str(bundle),
                         got="a step that turns errors on", do="leave it out")  # fmt: skip
    begin = first_cycle(len(boot_script((bundle / "boot" / "image.hex").read_text())))
    model = build(grid_layout(plans), stalls=stalls, models=models)
    workload = TwinWorkload(chip_from_bundle(bundle), plans[Tile()].context)
    model.run(bench_driver(steps, begin), workload, begin)
    return model


def compare_cycles(run: Run, expected: Mapping[str, "array[int]"]) -> CycleComparison:
    """Every beat of a run, all streams traced, beside the model's."""
    got: dict[str, list[int]] = {name: [] for name in expected}
    for cycle, stream, _ in run.beats():
        got.setdefault(stream.name, []).append(cycle)
    found = []
    for name, cycles in got.items():
        model = list(expected.get(name, ()))
        wrong = [i for i, pair in enumerate(zip(model, cycles, strict=False)) if len(set(pair)) > 1]
        common = min(len(model), len(cycles))
        beats = len(wrong) + max(len(model), len(cycles)) - common
        if beats:
            i = wrong[0] if wrong else common
            found.append(CycleDifference(name, beats, i, _at(model, i), _at(cycles, i)))
    found.sort(key=lambda d: (min(c for c in (d.expected, d.got) if c is not None), d.first))
    return CycleComparison(len(got), sum(map(len, got.values())), found)


def _at(cycles: Sequence[int], i: int) -> int | None:
    return cycles[i] if i < len(cycles) else None
