import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from hnlpu.base import BasePlan
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.cells import FullAdder
from hnlpu.rtl.hierarchy import Library

PLANS = [
    BasePlan(2, 40, 4, 1, 1),
    BasePlan(3, 70, 4, 2, 3),
    BasePlan(2, 5, 8, 4, 1),
]  # the last has a 32-bit register
_DIGEST = """\
import hashlib
from hnlpu.base import BasePlan
from hnlpu.rtl.array import base_modules
digest = hashlib.sha256()
for name, text in base_modules(BasePlan(3, 5, 4, 2, 3)):
    digest.update("".join([name, *text]).encode())
print(digest.hexdigest())
"""


@cache
def emitted(plan: BasePlan) -> dict[str, str]:
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


def test_instances_are_counted_by_the_plan():
    plan = BasePlan(3, 70, 4, 2, 3)
    top = emitted(plan)[plan.name]
    instances = Counter(re.findall(r"^  (hn_[a-z]+)_\w+ \S+ \($", top, re.MULTILINE))
    assert instances == {"hn_sequencer": 1, "hn_source": plan.n_ports, "hn_neuron": plan.n_rows}


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
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST], cwd=folder, env=environment, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        digests.add(done.stdout.strip())
        assert root not in done.stdout
    assert len(digests) == 1


def test_rows_of_arrays_of_any_height_share_their_modules():
    low, high = emitted(BasePlan(2, 40, 4, 1, 1)), emitted(BasePlan(7, 40, 4, 1, 1))
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
