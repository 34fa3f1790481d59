import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from hnlpu.rtl.array import base_modules
from hnlpu.rtl.cells import FullAdder
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.quantizer import Quantizer
from hnlpu.taps import TapsPlan

PLANS = [
    TapsPlan(2, 40, 4, 1, 1),
    TapsPlan(3, 70, 4, 2, 3),
    TapsPlan(2, 20, 8, 4, 1, cuts=2),  # a 32-bit register in its sources
    TapsPlan(2, 9, 4, 2, 2, 4, magnitudes=tuple(range(1, 129)), cuts=1, adder=28),  # two taps
]
#: Parameters close to those of the first two, for names that could meet.
NEIGHBOURS = [
    TapsPlan(2, 40, 4, 1, 1, adder=28),
    TapsPlan(2, 40, 4, 1, 1, magnitudes=(1, 2)),
    TapsPlan(2, 40, 4, 1, 1, track_budget=3),
    TapsPlan(2, 40, 4, 1, 1, cuts=1),
    TapsPlan(3, 70, 4, 2, 3, adder=28),
    TapsPlan(3, 70, 4, 2, 4),
    TapsPlan(1, 2, 4, 1, 2),
    TapsPlan(1, 2, 4, 1, 2, adder=28),
]
_DIGEST = """\
import hashlib
from hnlpu.taps import TapsPlan
from hnlpu.rtl.array import base_modules
digest = hashlib.sha256()
for name, text in base_modules(TapsPlan(3, 9, 4, 2, 3, 4, cuts=1)):
    digest.update("".join([name, *text]).encode())
print(digest.hexdigest())
"""


@cache
def emitted(plan: TapsPlan) -> dict[str, str]:
    return {name: "".join(text) for name, text in base_modules(plan)}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_every_module_is_emitted_once_and_all_are_there(plan):
    texts = emitted(plan)
    names = list(texts)
    assert names[0] == plan.name
    used = {plan.name}
    for name, text in texts.items():
        assert re.findall(r"^module (\w+)\(", text, re.MULTILINE) == [name]
        used |= set(re.findall(r"^  (hn_\w+) \S+ \($", text, re.MULTILINE))
    assert used == set(names)


def test_equal_names_mean_equal_modules():
    """Of all bases, whatever else they have: a bundle writes each name once."""
    texts: dict[str, str] = {}
    for plan in [*PLANS, *NEIGHBOURS]:
        for name, text in emitted(plan).items():
            assert texts.setdefault(name, text) == text, name
    assert len({plan.name for plan in [*PLANS, *NEIGHBOURS]}) == len(PLANS) + len(NEIGHBOURS)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_instances_are_counted_by_the_plan(plan):
    top = emitted(plan)[plan.name]
    instances = Counter(re.findall(r"^  (hn_[a-z]+)_\w+ \S+ \($", top, re.MULTILINE))
    source = "hn_sourcer" if plan.holds_input else "hn_source"
    assert instances == {"hn_sequencer": 1, source: plan.n_bundles, "hn_neuron": plan.n_rows}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_cells_of_a_row_are_counted_by_the_plan(plan):
    """Ports, adders and superblocks, as the compression planned them."""
    texts = emitted(plan)
    (neuron,) = (text for name, text in texts.items() if name.startswith("hn_neuron_"))

    def placed(text: str, name: str) -> int:
        found = re.findall(r"^  (hn_\w+) (\w+) \($", text, re.MULTILINE)
        return sum(re.fullmatch(rf"{name}_\d+", instance) is not None for _, instance in found)

    count = "tree" if plan.n_superblocks else "count"
    assert placed(neuron, count) == len(plan.row_count.adders)
    assert placed(neuron, "superblock") == plan.n_superblocks
    selected = plan.phases > 1
    assert placed(neuron, "constant") == selected * len(plan.constant_ports)
    assert placed(neuron, "port") == selected * (not plan.n_superblocks) * plan.n_ports
    if plan.superblock_count is not None:
        (block,) = (text for name, text in texts.items() if name.startswith("hn_superblock_"))
        assert placed(block, "count") == len(plan.superblock_count.adders)
        assert placed(block, "port") == selected * plan.superblock_bundles * plan.n_taps


def test_two_emissions_are_byte_identical_and_name_no_module_twice():
    """The second one after others were emitted in the same process."""
    first = {plan: emitted(plan) for plan in PLANS}
    again = [(name, "".join(text)) for name, text in base_modules(PLANS[1])]
    assert again == list(first[PLANS[1]].items())


def test_text_depends_on_nothing_but_the_parameters(tmp_path):
    """Another process, hash seed and working folder."""
    root = str(Path(__file__).parents[2])
    digests = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        environment["HNLPU_CACHE"] = str(folder / "cache")  # nothing remembered
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST], cwd=folder, env=environment, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        digests.add(done.stdout.strip())
        assert root not in done.stdout
    assert len(digests) == 1


def test_rows_of_arrays_of_any_height_share_their_modules():
    low, high = emitted(TapsPlan(2, 40, 4, 1, 1)), emitted(TapsPlan(7, 40, 4, 1, 1))
    shared = low.keys() & high.keys()
    assert len(shared) == len(low) - 1 == len(high) - 1
    assert all(low[name] == high[name] for name in shared)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_registers_have_no_initial_value(plan):
    """Only yosys' own trigger registers of ``always @*`` have one; aliases have no attribute."""
    for text in emitted(plan).values():
        assert "initial" not in text and "init =" not in text
        for line in re.findall(r"^  reg .*=.*$", text, re.MULTILINE):
            assert line.startswith(r"  reg \$auto"), line


def test_a_prototype_is_made_once():
    library = Library()
    assert library.prototype(FullAdder) is library.prototype(FullAdder)
    assert [name for name, _ in library.modules()] == ["hn_full_adder"]


class _Named(FullAdder):
    """Another component of a name that is taken: with or without an argument it is the same."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._own = text

    @property
    def module_name(self) -> str:
        return "hn_named"

    def text(self) -> str:
        return f"module hn_named();{self._own}endmodule\n"


def test_parameters_told_in_two_ways_are_one_module():
    library = Library()
    library.prototype(_Named)
    library.prototype(_Named, "")
    assert [name for name, _ in library.modules()] == ["hn_named"]


def test_two_modules_of_one_name_are_refused():
    library = Library()
    library.prototype(_Named)
    library.prototype(_Named, " ")
    with pytest.raises(AssertionError, match="two modules are called hn_named"):
        dict(library.modules())


def test_two_ways_to_tell_what_yosys_writes_are_one_module(monkeypatch, tmp_path):
    """Nothing is known before: both are written in the same run."""
    monkeypatch.setenv("HNLPU_CACHE", str(tmp_path))
    monkeypatch.setattr(Library, "_emitted", {})
    library = Library()
    library.prototype(Quantizer, 4, 1, 18, 8, 6)
    library.prototype(Quantizer, 4, 1, 18, 8, 6, False)
    names = [name for name, _ in library.modules()]
    assert len(set(names)) == len(names) and "hn_quantizer_1x4_18to8_p6" in names
