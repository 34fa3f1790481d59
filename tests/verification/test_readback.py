"""Readback of arrays made here, by the emitters themselves; every fault is put into the text."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from wires import other_line, pins, with_pin, with_pins

from hnlpu.alignment import AlignedMatrix, align
from hnlpu.base import ArrayPlan
from hnlpu.codebook import E2M1, Codebook, minifloat
from hnlpu.errors import HnlpuError
from hnlpu.metal import plan_metal
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.metal import metal_module
from hnlpu.taps import TapsPlan
from hnlpu.verification.dequantize import Tensors
from hnlpu.verification.readback import Readback, read_matrix, readback
from hnlpu.weights import CodedMatrix

SHARED = Path(__file__).resolve().parents[3] / "shared" / "checkpoints"


#: One tap a weight, and two.
CODEBOOKS = [
    E2M1,
    Codebook("int4", (*range(8), *range(-8, 0)), 0),
    Codebook("ternary", (0, 1, -1), 0),
    minifloat("E3M2", 3, 2),
    Codebook("int8", (*range(128), *range(-128, 0)), 0),
]


def random_matrix(
    rng: np.random.Generator, rows: int, columns: int, e: int = 4, codebook: Codebook = E2M1
) -> CodedMatrix:
    """Random codes and block exponents that need at most ``e`` exponent values."""
    n_blocks = -(-columns // 32)
    exponents = rng.integers(0, e, (rows, n_blocks)) + rng.integers(-100, 100, (rows, 1))
    codes = rng.integers(0, len(codebook.values), (rows, columns)).astype(np.uint8)
    return CodedMatrix("m", codes, exponents.astype(np.int16), codebook)


def write(folder: Path, matrix: CodedMatrix, base: ArrayPlan) -> tuple[Path, Path, AlignedMatrix]:
    """Base file and metal file of a matrix."""
    aligned = align(matrix)
    base_file, metal = folder / "base.v", folder / "metal.v"
    base_file.write_text("".join(next(base_modules(base))[1]))
    metal.write_text("".join(metal_module("m", "test", plan_metal(aligned, base))))
    return base_file, metal, aligned


def same(back: Readback, matrix: CodedMatrix, aligned: AlignedMatrix) -> bool:
    return bool(
        back.n_missing == back.base_cells_in_metal == 0
        and (back.values() == matrix.values()).all()
        and (back.integers() == aligned.integers()).all()
        and (back.row_exponents == aligned.row_exponents).all()
    )


# --- the way round -------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 6), st.integers(1, 200), st.integers(1, 4), st.sampled_from([1, 2, 4, 8]),
    st.integers(0, 2**32), st.sampled_from(CODEBOOKS), st.sampled_from([24, 28]),
)  # fmt: skip
def test_every_weight_comes_back(
    tmp_path_factory: Any, rows: int, columns: int, phases: int, e: int, seed: int,
    codebook: Codebook, adder: int,
) -> None:  # fmt: skip
    matrix = random_matrix(np.random.default_rng(seed), rows, columns, e, codebook)
    spread = align(matrix).spread  # never above e - 1: the codes of a block fit one exponent
    assert spread < e
    base = TapsPlan(
        rows, columns, 8, phases, e, magnitudes=codebook.magnitudes, cuts=seed % 3, adder=adder
    )
    base_file, metal, aligned = write(tmp_path_factory.mktemp("m"), matrix, base)
    assert same(read_matrix(metal, [base_file], base), matrix, aligned)


def test_rows_of_zeros_and_extreme_exponents(tmp_path: Path) -> None:
    codes = np.full((3, 40), 15, dtype=np.uint8)
    codes[1] = 8  # minus zero
    exponents = np.array([[-127, -127], [5, 5], [127, 127]], dtype=np.int16)
    matrix = CodedMatrix("m", codes, exponents, E2M1)
    base = TapsPlan(3, 40, 4, 2, 2)
    base_file, metal, aligned = write(tmp_path, matrix, base)
    back = read_matrix(metal, [base_file], base)
    assert same(back, matrix, aligned)
    assert not back.values()[1].any()


# --- names and order -----------------------------------------------------------------------------

_TOKEN = re.compile(r"//[^\n]*|\d*'[bdh][0-9a-f]+|\\\S+\s|[A-Za-z_][\w$]*")
_KEYWORDS = {"module", "endmodule", "input", "output", "wire", "assign"}


def rename(texts: list[str], rng: random.Random) -> list[str]:
    """Every identifier by a random one, the same in all texts; some of them escaped."""
    names: dict[str, str] = {}

    def new(match: re.Match[str]) -> str:
        word = match[0]
        if word[:2] == "//" or "'" in word or word in _KEYWORDS:
            return "" if word[:2] == "//" else word
        if word not in names:
            letters = "".join(rng.choices("abcxyzABC_", k=8)) + str(len(names))
            names[word] = rng.choice([letters, f"\\{letters}{rng.choice('{};,.()[]+')} "])
        return names[word]

    return [_TOKEN.sub(new, text) for text in texts]


def permute(text: str, rng: random.Random) -> str:
    """Declarations, instances and assigns of a metal body in random order, and so the pins."""
    header, body = text.split(");\n", 1)
    statements = re.findall(r"  (.*?);\n", body.replace("endmodule\n", ""), re.DOTALL)
    assert "".join(f"  {s};\n" for s in statements) == body.replace("endmodule\n", "")
    for n, statement in enumerate(statements):
        if "\n    ." in statement:
            head, *pins = re.split(r",?\n +(?=[.)])", statement)
            assert pins.pop() == ")"
            rng.shuffle(pins)
            statements[n] = head + ", ".join(pins) + ")"
    rng.shuffle(statements)
    return f"{header});\n" + "".join(f"{s};" for s in statements) + "endmodule\n"


def detour(text: str, rng: random.Random) -> str:
    """Lines and a tie through chains of wires."""
    text = text.replace("lines_0(lines_0)", "lines_0({far, hop[0]})").replace(
        ".tie_low(tie_low)", ".tie_low(low)"
    )
    more = ["wire [1:0] hop;", "wire low;", "wire [12:0] far;", "assign lines_0[13:1] = far;",
            "assign tie_low = low;", "assign hop[1] = hop[0];", "assign lines_0[0] = hop[1];"]  # fmt: skip
    rng.shuffle(more)
    return text.replace("endmodule", "".join(f"  {line}\n" for line in more) + "endmodule")


@pytest.mark.parametrize("seed", range(8))
def test_names_order_and_detours_change_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    rows, columns, phases, e = 3, 70 + 30 * seed, 1 + seed % 4, (1, 4)[seed % 2]
    base = TapsPlan(rows, columns, 8, phases, e)
    matrix = random_matrix(np.random.default_rng(seed), rows, columns, e)
    base_file, metal, aligned = write(tmp_path, matrix, base)
    before = metal.read_text()
    text = permute(detour(before, rng), rng)
    for order in (r"wire \[13:0\] (\w+);", r"\.(\w+)\("):  # declarations and pins have moved
        assert re.findall(order, text) != re.findall(order, before)
    texts = rename([base_file.read_text(), text], rng)
    assert not any(
        word in text for text in texts for word in ("lines", "pins", "hn_", "clk", "constants")
    )
    base_file.write_text(texts[0])
    metal.write_text(texts[1])
    assert same(read_matrix(metal, [base_file], base), matrix, aligned)


# --- faults --------------------------------------------------------------------------------------

#: 3 blocks, 2 superblocks, 64 bundles, 128 stubs, 6 constant stubs, 4 slots of 2 exponent pins.
PLAN = TapsPlan(3, 70, 8, 2, 4)
CONSTANTS, EXPONENTS = 128, 134  # the first pin of each


def stub_of(column: int) -> int:
    bundle, phase = PLAN.place(column)
    return phase * 64 + bundle


def zero_of(bundle: int) -> str:
    """The tie that stands for zero on the ports of a bundle."""
    return "tie_low" if PLAN.port_polarity()[bundle] == 1 else "tie_high"


def other(tie: str) -> str:
    return {"tie_low": "tie_high", "tie_high": "tie_low"}[tie]


class Faulty:
    """One array whose metal text is changed before it is read back."""

    def __init__(self, folder: Path) -> None:
        self.matrix = random_matrix(np.random.default_rng(7), 3, 70)
        self.base_file, self.metal, self.aligned = write(folder, self.matrix, PLAN)
        self.text = self.metal.read_text()

    def tie_row_exponents(self, bits: list[str]) -> None:
        new = "{" + ", ".join(reversed(bits)) + "}"
        self.text = re.sub(r"assign row_exponents = {[^}]*}", f"assign row_exponents = {new}",
                           self.text)  # fmt: skip

    def pin(self, row: int, pin: int, to: str) -> None:
        self.text = with_pin(self.text, row, pin, to)

    def column(self, row: int, sign: int) -> int:
        """A column of block 1 with a weight of this sign; its bundle is none that tests name."""
        columns = range(38, 62)
        return next(c for c in columns if np.sign(self.aligned.multiples[row, c]) == sign)

    def read(self) -> Readback:
        self.metal.write_text(self.text)
        return read_matrix(self.metal, [self.base_file], PLAN)

    def wrong(self, back: Readback) -> list[tuple[int, int]]:
        wrong = (back.values() != self.matrix.values()) & ~back.missing
        return [(int(r), int(c)) for r, c in np.argwhere(wrong)]

    def lost(self, back: Readback) -> list[tuple[int, int]]:
        return [(int(r), int(c)) for r, c in np.argwhere(back.missing)]


def constant(values: npt.NDArray[Any], exponents: npt.NDArray[Any]) -> int:
    """What the complemented lines of a row lack: one, shifted, for each negative weight."""
    return sum(1 << int(exponents[c // 32]) for c, value in enumerate(values) if value < 0)


@pytest.fixture
def faulty(tmp_path: Path) -> Faulty:
    fault = Faulty(tmp_path)
    assert same(fault.read(), fault.matrix, fault.aligned)
    return fault


def test_what_this_file_says_of_its_plan() -> None:
    assert (PLAN.n_superblocks, PLAN.n_bundles, PLAN.n_stubs) == (2, 64, CONSTANTS)
    assert EXPONENTS == CONSTANTS + 2 * len(PLAN.constant_ports) == PLAN.n_pins - 8
    assert set(PLAN.port_polarity().tolist()) == {1, -1}


@pytest.mark.parametrize(("old", "new"), [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b])
def test_tap_on_another_line(faulty: Faulty, old: int, new: int) -> None:
    """One weight wrong; where one of the two is negative, the row's constant is too."""
    column = faulty.column(1, old)
    before = int(faulty.aligned.multiples[1, column])
    after = next(v for v in (4, 3, -4, -3, 0) if np.sign(v) == new and v != before)
    bundle, stub = column % 32, stub_of(column)
    assert PLAN.place(column) == (bundle, 1)
    line = PLAN.lines.multiples.index(after * int(PLAN.port_polarity()[bundle])) if after else 0
    faulty.pin(1, stub, f"lines_{bundle}[{line}]" if after else zero_of(bundle))
    back = faulty.read()
    assert faulty.wrong(back) == [(1, column)] and not back.missing.any()
    assert back.multiples[1, column] == after
    assert back.n_missing == back.n_padding_errors == int((old < 0) != (new < 0))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "to",
    ["lines_0[3]", "lines_63[3]", "1'b0", "1'b1", "tie", "x[0]", "rst", "y[0]", "nothing",
     "lines_5[14]", "tie by a detour", "constants[0]", "constants[17]"],
)  # fmt: skip
def test_tap_outside_its_bundle(faulty: Faulty, to: str, sign: int) -> None:
    """A tie that is not the zero of its port is a product of no input; it is outside too."""
    column = faulty.column(2, sign)
    wrong_tie = other(zero_of(column % 32))
    if to == "tie by a detour":
        assigned = re.search(r"assign row_exponents = {([^}]*)}", faulty.text)
        assert assigned
        to = f"row_exponents[{assigned[1].split(', ')[::-1].index(wrong_tie)}]"
    faulty.pin(2, stub_of(column), wrong_tie if to == "tie" else to)
    back = faulty.read()
    assert faulty.lost(back) == [(2, column)] and faulty.wrong(back) == []
    assert back.n_padding_errors == (sign < 0)  # its constant is there, the weight is not
    assert back.n_missing == 1 + (sign < 0) and back.base_cells_in_metal == 0
    assert np.isnan(back.values()[2, column]) and back.multiples[2, column] == 0


def test_tap_on_a_line_of_the_other_tap(tmp_path: Path) -> None:
    """Two taps a weight: each has lines of its own, and together they must be a codebook value."""
    codebook = CODEBOOKS[-1]
    base = TapsPlan(2, 12, 8, 2, magnitudes=codebook.magnitudes)
    first, second = (2 * len(group) for group in base.lines.groups)
    matrix = random_matrix(np.random.default_rng(1), 2, 12, 1, codebook)
    base_file, metal, aligned = write(tmp_path, matrix, base)
    text = metal.read_text()
    column = next(c for c in range(12) if all(p > 0 for p in base.lines.parts(
        int(aligned.multiples[0, c]))))  # fmt: skip
    bundle, phase = base.place(column)
    for tap, line in ((0, first), (0, first + second - 1), (1, 0), (1, first - 1)):
        stub = phase * base.n_ports + 2 * bundle + tap
        metal.write_text(with_pin(text, 0, stub, f"lines_{bundle}[{line}]"))
        back = read_matrix(metal, [base_file], base)
        assert np.argwhere(back.missing).tolist() == [[0, column]]
        assert back.n_padding_errors == 0
    # 8 + 128: both parts are those of weights, but not of one.
    largest = first + 2 * base.lines.groups[1].index(128)
    drivers = pins(text, 0)
    stub = phase * base.n_ports + 2 * bundle
    polarity = base.port_polarity()[2 * bundle : 2 * bundle + 2]
    drivers[stub] = f"lines_{bundle}[{first - 2 + (polarity[0] < 0)}]"
    drivers[stub + 1] = f"lines_{bundle}[{largest + (polarity[1] < 0)}]"
    metal.write_text(with_pins(text, 0, drivers))
    back = read_matrix(metal, [base_file], base)
    assert np.argwhere(back.missing).tolist() == [[0, column]]


def test_two_stubs_swapped(faulty: Faulty) -> None:
    """In one bundle that is two wrong weights; across bundles they are lost."""
    values, exponents = faulty.aligned.multiples[0].copy(), faulty.aligned.block_exponents[0]
    text = faulty.text
    n_constants = 0
    for c in range(32):
        if values[c] == values[c + 32]:
            continue
        bits = pins(text, 0)
        a, b = stub_of(c), stub_of(c + 32)
        assert a % 64 == b % 64
        bits[a], bits[b] = bits[b], bits[a]
        faulty.text = with_pins(text, 0, bits)
        back = faulty.read()
        assert faulty.wrong(back) == [(0, c), (0, c + 32)]
        swapped = values.copy()
        swapped[[c, c + 32]] = values[[c + 32, c]]
        n_errors = int(constant(swapped, exponents) != constant(values, exponents))
        assert back.n_missing == back.n_padding_errors == n_errors
        n_constants += n_errors
    assert 0 < n_constants < 32
    a, b = (c for c in range(3) if values[c])
    bits = pins(text, 0)
    bits[a], bits[b] = bits[b], bits[a]
    faulty.text = with_pins(text, 0, bits)
    assert faulty.lost(faulty.read()) == [(0, a), (0, b)]


def test_dropped_tap_shifts_the_row(faulty: Faulty) -> None:
    """Every stub is on the next one's driver: lost, but where that is the zero of its port."""
    bits = pins(faulty.text, 1)
    faulty.text = with_pins(faulty.text, 1, bits[1:])
    back = faulty.read()
    astray = [bits[stub + 1] != zero_of(stub % 64) for stub in range(128)]
    assert faulty.lost(back) == [(1, c) for c in range(70) if astray[stub_of(c)]]
    assert back.missing.sum() > 60
    columns = {stub_of(c) for c in range(70)}
    n_padding = sum(astray[stub] for stub in range(128) if stub not in columns)
    assert back.n_padding_errors == n_padding + 2  # and the constant, and the slot that pads


def test_open_row(faulty: Faulty) -> None:
    faulty.text = re.sub(r"\.pins_1\({[^}]*}\)", ".pins_1()", faulty.text)
    back = faulty.read()
    assert faulty.lost(back) == [(1, c) for c in range(70)]
    assert back.n_missing == PLAN.n_stubs + 2  # and the constant, and the slot that pads


def test_whole_row_left_out(faulty: Faulty) -> None:
    faulty.text = re.sub(r"    \.pins_1\({[^}]*}\),\n", "", faulty.text)
    assert faulty.read().n_missing == PLAN.n_stubs + 2


@pytest.mark.parametrize("to", ["lines_37[1]", "lines_6[1]", "tie", "constants[0]", "x[3]"])
def test_padding_must_be_on_its_zero(faulty: Faulty, to: str) -> None:
    stub = stub_of(69) + 1
    assert stub == 32 + 6 and PLAN.column(0, 38) is None
    faulty.pin(0, stub, other(zero_of(38)) if to == "tie" else to)
    back = faulty.read()
    assert (back.n_padding_errors, back.n_missing) == (1, 1) and not back.missing.any()


@pytest.mark.parametrize("pin", range(CONSTANTS, EXPONENTS))
def test_constant_stub_on_another_driver(faulty: Faulty, pin: int) -> None:
    """The row's constant is what its negative weights lack, or an error of the row."""
    text = faulty.text
    targets = [f"constants[{line}]" for line in range(PLAN.n_constant_lines)]
    targets += ["tie_low", "tie_high", "lines_0[0]", "x[0]", "1'b0", "nothing"]
    for to in {*targets} - {pins(text, 2)[pin]}:
        faulty.text = with_pin(text, 2, pin, to)
        back = faulty.read()
        assert (back.n_padding_errors, back.n_missing) == (1, 1) and not back.missing.any()
        assert faulty.wrong(back) == []


def test_a_constant_may_be_made_up_otherwise(faulty: Faulty) -> None:
    """The stubs of a port are on lines of times, and take any of them in any phase."""
    for row in range(3):
        bits = pins(faulty.text, row)
        for stub in range(CONSTANTS, EXPONENTS, 2):
            bits[stub], bits[stub + 1] = bits[stub + 1], bits[stub]
        assert bits != pins(faulty.text, row)
        faulty.text = with_pins(faulty.text, row, bits)
    assert same(faulty.read(), faulty.matrix, faulty.aligned)


def test_exponent_pin_flipped(faulty: Faulty) -> None:
    """Pin 2 is the low bit of block 1; a zero weight does not notice, the constant does."""
    pin = EXPONENTS + 2
    faulty.pin(1, pin, other(pins(faulty.text, 1)[pin]))
    nonzero = 32 + np.flatnonzero(faulty.matrix.values()[1, 32:64])
    back = faulty.read()
    assert faulty.wrong(back) == [(1, int(c)) for c in nonzero]
    assert (faulty.aligned.multiples[1, 32:64] < 0).any()
    assert (back.n_padding_errors, back.n_missing) == (1, 1)


@pytest.mark.parametrize("to", ["1'b0", "lines_0[0]", "nothing", "clk", "constants[1]"])
def test_exponent_pin_without_a_tie(faulty: Faulty, to: str) -> None:
    text = faulty.text
    faulty.pin(1, EXPONENTS + 5, to)  # block 2
    back = faulty.read()
    assert faulty.lost(back) == [(1, c) for c in range(64, 70)]
    was_high = pins(text, 1)[EXPONENTS + 5] == "tie_high"
    negative = (faulty.aligned.multiples[1, 64:] < 0).any()
    assert back.n_padding_errors == int(was_high and negative)
    faulty.text = with_pin(text, 1, EXPONENTS + 6, to)  # a slot that pads
    back = faulty.read()
    assert back.n_padding_errors == 1 and not back.missing.any()


@pytest.mark.parametrize("pin", [6, 7])
def test_a_slot_that_pads_is_low(faulty: Faulty, pin: int) -> None:
    faulty.pin(1, EXPONENTS + pin, "tie_high")
    back = faulty.read()
    assert (back.n_padding_errors, back.n_missing) == (1, 1) and not back.missing.any()


def test_exponent_that_the_base_cannot_hold(tmp_path: Path) -> None:
    base = replace(PLAN, exponent_values=3)
    matrix = random_matrix(np.random.default_rng(1), 3, 70, 1)
    base_file, metal, _ = write(tmp_path, matrix, base)
    bits = pins(metal.read_text(), 0)
    first = base.n_pins - base.n_exponent_pins
    assert bits[first : first + 2] == ["tie_low", "tie_low"]
    bits[first : first + 2] = ["tie_high", "tie_high"]
    metal.write_text(with_pins(metal.read_text(), 0, bits))
    back = read_matrix(metal, [base_file], base)
    assert np.argwhere(back.missing).tolist() == [[0, c] for c in range(32)]


def test_row_exponent_tie(faulty: Faulty) -> None:
    assigned = re.search(r"assign row_exponents = {([^}]*)}", faulty.text)
    assert assigned
    bits = assigned[1].split(", ")[::-1]
    bits[19] = {"tie_low": "tie_high", "tie_high": "tie_low"}[bits[19]]  # sign of row 1
    faulty.tie_row_exponents(bits)
    back = faulty.read()
    assert {row for row, _ in faulty.wrong(back)} == {1}
    assert abs(int(back.row_exponents[1]) - int(faulty.aligned.row_exponents[1])) == 512
    bits[19] = "1'b0"
    faulty.tie_row_exponents(bits)
    assert faulty.lost(faulty.read()) == [(1, c) for c in range(70)]


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        (".x(x)", ".x({x[559:16], x[7:0], x[15:8]})", [(r, c) for r in range(3) for c in (0, 1)]),
        (".clk(clk)", ".clk(rst)", [(r, c) for r in range(3) for c in range(70)]),
        (".x_ready(x_ready)", ".x_ready()", [(r, c) for r in range(3) for c in range(70)]),
    ],
)
def test_what_passes_through_must_pass_straight(
    faulty: Faulty, old: str, new: str, lost: list[tuple[int, int]]
) -> None:
    assert old in faulty.text
    faulty.text = faulty.text.replace(old, new)
    assert faulty.lost(faulty.read()) == lost


def test_results_in_another_order(faulty: Faulty) -> None:
    n = PLAN.y_bits
    faulty.text = faulty.text.replace(
        ".y(y)", f".y({{y[{2 * n - 1}:{n}], y[{3 * n - 1}:{2 * n}], y[{n - 1}:0]}})"
    )
    assert {row for row, _ in faulty.lost(faulty.read())} == {1, 2}


def test_operator_and_cell_in_the_metal(faulty: Faulty) -> None:
    faulty.pin(2, 0, "~" + pins(faulty.text, 2)[0])
    faulty.text = faulty.text.replace("endmodule", "  hn_full_adder f (.a(clk));\nendmodule")
    back = faulty.read()
    assert back.base_cells_in_metal == 2 and back.missing[2].all()
    lines = faulty.text.splitlines()
    assert [lines[item.line - 1].split()[0] for item in back.foreign][1] == "hn_full_adder"
    assert ".pins_2(" in lines[back.foreign[0].line - 1]


def test_files_that_do_not_belong_together(faulty: Faulty, tmp_path: Path) -> None:
    for plan in (
        replace(PLAN, phases=1),
        replace(PLAN, n_rows=2),
        replace(PLAN, activation_bits=7),
        replace(PLAN, exponent_values=2),
        replace(PLAN, magnitudes=(1, 2, 3)),
    ):
        with pytest.raises(HnlpuError, match="not what its parameters say"):
            read_matrix(faulty.metal, [faulty.base_file], plan)
    with pytest.raises(HnlpuError, match="needs files"):
        read_matrix(faulty.metal, [], PLAN)
    other = TapsPlan(3, 70, 8, 2, 2)
    base_file = tmp_path / "other.v"
    base_file.write_text("".join(next(base_modules(other))[1]))
    with pytest.raises(HnlpuError, match="holds no base"):
        read_matrix(faulty.metal, [base_file], other)
    faulty.text = faulty.text.replace("output [29:0] row_exponents", "output [28:0] row_exponents")
    with pytest.raises(HnlpuError, match="other ports"):
        faulty.read()


# --- bundles -------------------------------------------------------------------------------------

Q, HEAD = "model.layers.0.self_attn.q_proj", "lm_head"
EXPERTS = "model.layers.0.mlp.experts"


class Bundle:
    """A bundle with a plain, a tied and requantised, and two MXFP4 expert matrices."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(3)
        self.bundle, self.checkpoint = folder / "bundle", folder / "checkpoint"
        for path in (self.bundle / "rtl", self.checkpoint):
            path.mkdir(parents=True)
        self.reference: dict[str, npt.NDArray[Any]] = {}
        self.manifest: dict[str, Any] = {"bases": [], "matrices": [], "constants": []}
        plain = self.coded(rng, 5, 40)
        self.add(Q, plain, f"{Q}.weight", None)
        stored: dict[str, npt.NDArray[Any]] = {
            f"{Q}.weight": plain.values().astype(ml_dtypes.bfloat16)
        }
        blocks = np.zeros((2, 3, 2, 16), np.uint8)
        scales = np.zeros((2, 3, 2), np.uint8)
        for expert in range(2):
            coded = self.coded(rng, 3, 64)
            pairs = coded.codes.reshape(3, 2, 16, 2)
            blocks[expert] = pairs[..., 0] | pairs[..., 1] << 4
            scales[expert] = coded.exponents + 127
            self.add(f"{EXPERTS}.{expert}.down_proj", coded, f"{EXPERTS}.down_proj", expert)
        stored |= {f"{EXPERTS}.down_proj_blocks": blocks, f"{EXPERTS}.down_proj_scales": scales}
        head = self.coded(rng, 5, 40)
        self.add(HEAD, head, f"{HEAD}.weight", None, requantised={"relative_rmse": 0.1})
        self.head = head.values()
        stored["model.embed_tokens.weight"] = (self.head * 1.25).astype(np.float32)
        boot = {
            "model.embed_tokens.weight": stored["model.embed_tokens.weight"],
            "model.norm.weight": np.array([1, 0, -2], dtype=ml_dtypes.bfloat16),
            f"{Q}.bias": np.arange(5, dtype=np.float16),
        }
        self.stored, self.boot = stored | boot, boot
        self.manifest["constants"] = [{"name": name} for name in boot]

    @staticmethod
    def coded(rng: np.random.Generator, rows: int, columns: int) -> CodedMatrix:
        matrix = random_matrix(rng, rows, columns)
        return replace(matrix, exponents=(matrix.exponents % 4).astype(np.int16))

    def add(
        self, name: str, coded: CodedMatrix, tensor: str, expert: int | None,
        requantised: Any = None,
    ) -> None:  # fmt: skip
        base = TapsPlan(coded.n_rows, coded.n_columns, 8, 2, 8)
        entry = {"name": base.name, "parameters": base.as_dict(), "files": [f"rtl/{base.name}.v"]}
        if entry not in self.manifest["bases"]:
            self.manifest["bases"].append(entry)
            top = "".join(next(base_modules(base))[1])
            (self.bundle / "rtl" / f"{base.name}.v").write_text(top)
        text = "".join(metal_module("m", name, plan_metal(align(coded), base)))
        (self.bundle / "rtl" / f"{name}.v").write_text(text)
        self.reference[f"{name}.weights"] = coded.values().astype(np.float32)
        self.manifest["matrices"].append(
            {"name": name, "source": {"tensor": tensor, "expert": expert}, "base": base.name,
             "n_rows": coded.n_rows, "n_columns": coded.n_columns, "metal": f"rtl/{name}.v",
             "requantised": requantised, "chip": [0, 0], "n_weights": coded.n_rows * coded.n_columns,
             "rows": [0, coded.n_rows], "columns": [0, coded.n_columns]}
        )  # fmt: skip

    def read(self) -> dict[str, Any]:
        save_file(self.stored, self.checkpoint / "model.safetensors")
        save_file(self.reference, self.bundle / "reference.safetensors")
        save_file(self.boot, self.bundle / "boot.safetensors")
        (self.bundle / "manifest.json").write_text(json.dumps(self.manifest))
        report = readback(self.bundle, self.checkpoint)
        json.dumps(report, allow_nan=False)
        return report


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    return (report["expected"] - report["weights"], report["missing"], report["mismatches"],
            report["constant_mismatches"])  # fmt: skip


def entry(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in report["tensors"] if item["name"] == name)


def test_an_intact_bundle(bundle: Bundle) -> None:
    report = bundle.read()
    assert list(report) == ["weights", "expected", "missing", "mismatches", "base_cells_in_metal",
                            "constants", "constant_mismatches", "image_words", "image_mismatches",
                            "tensors"]  # fmt: skip
    assert report["weights"] == report["expected"] == 2 * 200 + 2 * 192
    assert counts(report) == (0, 0, 0, 0)
    assert (report["constants"], report["base_cells_in_metal"]) == (3, 0)
    assert entry(report, Q) == {"name": Q, "chip": [0, 0], "weights": 200, "mismatches": 0, "missing": 0,
                                "first_mismatch": None, "relative_rmse": 0.0}  # fmt: skip
    assert entry(report, HEAD)["relative_rmse"] == pytest.approx(0.2)  # w against 1.25 w


def test_a_weight_of_the_checkpoint_changed(bundle: Bundle) -> None:
    blocks = bundle.stored[f"{EXPERTS}.down_proj_blocks"]
    before = int(blocks[1, 2, 1, 3]) & 15
    blocks[1, 2, 1, 3] ^= 1  # low nibble of byte 3 of block 1: input 32 + 6
    report = bundle.read()
    assert counts(report) == (0, 0, 1, 0)
    first = entry(report, f"{EXPERTS}.1.down_proj")["first_mismatch"]
    assert (first["row"], first["column"]) == (2, 38)
    scale = 2.0 ** (int(bundle.stored[f"{EXPERTS}.down_proj_scales"][1, 2, 1]) - 128)
    assert first["got"] == E2M1.values[before] * scale
    assert first["expected"] == E2M1.values[before ^ 1] * scale


@pytest.mark.parametrize("name", [Q, HEAD])
def test_the_reference_must_be_what_is_wired(bundle: Bundle, name: str) -> None:
    bundle.reference[f"{name}.weights"][4, 39] += 1
    report = bundle.read()
    assert counts(report) == (0, 0, 1, 0)
    first = entry(report, name)["first_mismatch"]
    assert (first["row"], first["column"], first["expected"] - first["got"]) == (4, 39, 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_lost_tap_in_a_bundle(bundle: Bundle, sign: int) -> None:
    """A negative one leaves its constant behind, which is missing as well."""
    path = bundle.bundle / "rtl" / f"{Q}.v"
    weights = bundle.reference[f"{Q}.weights"][0]
    column = int(np.flatnonzero(np.sign(weights[:32]) == sign)[0])  # stub of phase 0
    path.write_text(with_pin(path.read_text(), 0, column, "rst"))
    report = bundle.read()
    assert counts(report) == (1, 1 + (sign < 0), 0, 0)
    first = entry(report, Q)["first_mismatch"]
    assert (first["row"], first["column"], first["got"]) == (0, column, None)
    assert entry(report, Q)["missing"] == 1 + (sign < 0)


@pytest.mark.parametrize("negate", [False, True])
def test_a_wrong_tap_in_a_bundle(bundle: Bundle, negate: bool) -> None:
    path = bundle.bundle / "rtl" / f"{Q}.v"
    text = path.read_text()
    weights = bundle.reference[f"{Q}.weights"][4]
    column = int(np.flatnonzero(weights[:32])[0])
    path.write_text(with_pin(text, 4, column, other_line(pins(text, 4)[column], negate=negate)))
    report = bundle.read()
    assert counts(report) == (0, int(negate), 1, 0)
    first = entry(report, Q)["first_mismatch"]
    assert (first["row"], first["column"]) == (4, column)
    assert first["expected"] == weights[column] != first["got"]
    assert first["got"] == -weights[column] or not negate


def test_a_requantised_matrix_is_not_excused(bundle: Bundle) -> None:
    bundle.manifest["matrices"][-1]["requantised"] = None
    report = bundle.read()
    assert report["mismatches"] == int((bundle.head != 0).sum())


@pytest.mark.parametrize("change", ["value", "sign of zero", "type", "shape", "absent"])
def test_constants_are_compared_bit_for_bit(bundle: Bundle, change: str) -> None:
    name = "model.norm.weight"
    value = bundle.boot[name].copy()
    if change == "absent":
        del bundle.boot[name]
    elif change == "type":
        bundle.boot[name] = value.astype(np.float32)
    elif change == "shape":
        bundle.boot[name] = value.reshape(1, 3)
    else:
        value[1 if change == "sign of zero" else 0] *= -1
        bundle.boot[name] = value
    assert counts(bundle.read()) == (0, 0, 0, 1)


def test_what_the_manifest_leaves_out_is_missing(bundle: Bundle) -> None:
    """A constant, a plain matrix and one of two experts: none may vanish silently."""
    matrices = bundle.manifest["matrices"]
    bundle.manifest["constants"].pop()
    del matrices[:2]
    report = bundle.read()
    assert report["expected"] == 2 * 200 + 2 * 192 and report["constants"] == 3
    assert counts(report) == (200 + 192, 200 + 192, 0, 1)
    assert entry(report, f"{Q}.weight")["missing"] == 200
    bundle.manifest["off_fabric"] = [{"tensor": f"{Q}.weight", "reason": "too big"}]
    assert counts(bundle.read()) == (192, 192, 0, 1)


def test_bundles_that_cannot_be_read(bundle: Bundle, tmp_path: Path) -> None:
    def refused(what: str, path: Path = bundle.bundle) -> None:
        (bundle.bundle / "manifest.json").write_text(json.dumps(bundle.manifest))
        with pytest.raises(HnlpuError, match=what):
            readback(path, bundle.checkpoint)

    bundle.read()
    refused("not a bundle", tmp_path)
    first = bundle.manifest["matrices"][0]
    first["n_rows"] = 6
    refused("another shape")
    first["n_rows"] = 5
    first["base"] = "hn_none"
    refused("one base of this name")
    del first["base"]
    refused("incomplete")
    base = bundle.manifest["bases"][0]
    first["base"] = base["name"]
    base["parameters"]["volts"] = 5
    refused("not those of the architecture")
    del base["parameters"]["volts"]
    base["parameters"]["arch"] = "magic"
    refused("unknown architecture")
    base["parameters"]["arch"] = "taps"
    files, base["files"] = base["files"], []
    refused("cannot use a base")
    base["files"] = files
    assert counts(bundle.read()) == (0, 0, 0, 0)


@pytest.mark.skipif(not (SHARED / "adder_mini").is_dir(), reason="no shared checkpoints")
def test_a_trained_expert_survives_the_wiring(tmp_path: Path) -> None:
    """Codes of a real checkpoint, unpacked here, wired and read back."""
    stem = f"{EXPERTS}.gate_up_proj"
    tensors = load_file(_without_bf16(tmp_path, stem))
    packed = tensors[f"{stem}_blocks"][1]
    codes = np.stack([packed & 15, packed >> 4], axis=-1).reshape(packed.shape[0], -1)
    exponents = tensors[f"{stem}_scales"][1].astype(np.int16) - 127
    matrix = CodedMatrix("expert", codes, exponents, E2M1)
    spread = align(matrix).spread
    base = TapsPlan(matrix.n_rows, matrix.n_columns, 8, 1, 1 << spread.bit_length())
    base_file, metal, aligned = write(tmp_path, matrix, base)
    assert same(read_matrix(metal, [base_file], base), matrix, aligned)


def _without_bf16(folder: Path, stem: str) -> Path:
    checkpoint = Tensors(SHARED / "adder_mini")
    names = (f"{stem}_blocks", f"{stem}_scales")
    save_file({name: checkpoint.read(name) for name in names}, folder / "part.safetensors")
    return folder / "part.safetensors"
