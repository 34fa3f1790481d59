"""Blocks between the arrays as Verilog: emitted once, distinct names, nothing for Verilator to complain of."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from hnlpu.errors import MissingToolError
from hnlpu.numerics import Numerics
from hnlpu.rtl.combine import Combine
from hnlpu.rtl.drain import Drain
from hnlpu.rtl.embedding import Embedding
from hnlpu.rtl.feed import Feed
from hnlpu.rtl.fifo import Fifo
from hnlpu.rtl.fork import Fork
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.merge import Merge
from hnlpu.rtl.sampler import Sampler
from hnlpu.rtl.swiglu import Swiglu
from hnlpu.tools import find_verilator

N = Numerics()
BLOCKS = [
    (Fork, (31, 3)),
    (Fork, (31, 1)),
    (Fifo, (31, 5)),
    (Fifo, (31, 1)),
    (Feed, (5, 8, 1, 4, 7)),
    (Feed, (5, 8, 2, 0, 7)),
    (Feed, (5, 8, 0, 3, 7)),
    (Drain, (5, 21, 18, 8, False, 7)),
    (Drain, (5, 21, 18, 8, True, 7)),
    (Drain, (8, 21, 20, 8, True, 7)),
    (Feed, (1, 8, 1, 0, 7)),
    (Drain, (1, 21, 20, 8, True, 7)),
    (Drain, (1, 21, 20, 8, False, 7)),
    (Merge, (1, 18, 7)),
    (Merge, (3, 18, 7)),
    (Combine, (6, 2, 4, N, 7)),
    (Swiglu, (True, 7.0, N, 7)),
    (Swiglu, (False, None, N, 7)),
    (Embedding, (14, 6, 20, 7)),
    (Embedding, (1, 1, 20, 7)),
    (Sampler, (1, 1, N, 7)),
    (Sampler, (14, 8, N, 7)),
    (Sampler, (16, 7, N, 7)),
]
IDS = [kind(*parameters).module_name for kind, parameters in BLOCKS]


def emitted(kind: type, parameters: tuple) -> tuple[str, dict[str, str]]:
    library = Library()
    top = library.prototype(kind, *parameters)
    return top.module_name, dict(library.modules())


@pytest.fixture(scope="module")
def verilator() -> Iterator[str]:
    try:
        yield str(find_verilator()[0])
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("kind", "parameters"), BLOCKS, ids=IDS)
def test_modules_are_complete(kind, parameters):
    top, texts = emitted(kind, parameters)
    used = {top}
    for name, text in texts.items():
        assert re.findall(r"^module (\w+)\(", text, re.MULTILINE) == [name]
        used |= set(re.findall(r"^  (hn_\w+) \S+ +\($", text, re.MULTILINE))
    assert used == set(texts)


def test_equal_names_mean_equal_modules():
    texts: dict[str, str] = {}
    for block in BLOCKS:
        for name, text in emitted(*block)[1].items():
            assert texts.setdefault(name, text) == text, name
    assert len({emitted(*block)[0] for block in BLOCKS}) == len(BLOCKS)


@pytest.mark.parametrize(("kind", "parameters"), BLOCKS, ids=IDS)
def test_verilator_says_nothing(kind, parameters, verilator, tmp_path):
    top, texts = emitted(kind, parameters)
    for name, text in texts.items():
        (tmp_path / f"{name}.v").write_text(text)
    # Yosys leaves it to the language to widen operands (WIDTH), and gives no arm to states and indices
    # that do not exist (CASEINCOMPLETE).
    options = ["-Wno-WIDTH", "-Wno-CASEINCOMPLETE", "-y", tmp_path, "--top-module", top]
    done = subprocess.run(
        [verilator, "--lint-only", "-Wall", *options, tmp_path / f"{top}.v"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "" and done.returncode == 0
