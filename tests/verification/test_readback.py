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

from hnlpu.alignment import AlignedMatrix, align
from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.metal import plan_metal
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.metal import metal_module
from hnlpu.verification.dequantize import Tensors
from hnlpu.verification.readback import Readback, read_matrix, readback
from hnlpu.weights import CodedMatrix

SHARED = Path(__file__).resolve().parents[3] / "shared" / "checkpoints"


def random_matrix(rng: np.random.Generator, rows: int, columns: int, e: int = 4) -> CodedMatrix:
    """Random codes and block exponents that need at most ``e`` exponent values."""
    n_blocks = -(-columns // 32)
    exponents = rng.integers(0, e, (rows, n_blocks)) + rng.integers(-100, 100, (rows, 1))
    codes = rng.integers(0, 16, (rows, columns)).astype(np.uint8)
    return CodedMatrix("m", codes, exponents.astype(np.int16), E2M1)


def write(folder: Path, matrix: CodedMatrix, base: BasePlan) -> tuple[Path, Path, AlignedMatrix]:
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
    st.integers(0, 2**32),
)  # fmt: skip
def test_every_weight_comes_back(
    tmp_path_factory: Any, rows: int, columns: int, phases: int, e: int, seed: int
) -> None:
    matrix = random_matrix(np.random.default_rng(seed), rows, columns, e)
    spread = align(matrix).spread  # never above e - 1: the codes of a block fit one exponent
    assert spread < e
    base = BasePlan(rows, columns, 8, phases, e)
    base_file, metal, aligned = write(tmp_path_factory.mktemp("m"), matrix, base)
    assert same(read_matrix(metal, [base_file], base), matrix, aligned)


def test_rows_of_zeros_and_extreme_exponents(tmp_path: Path) -> None:
    codes = np.full((3, 40), 15, dtype=np.uint8)
    codes[1] = 8  # minus zero
    exponents = np.array([[-127, -127], [5, 5], [127, 127]], dtype=np.int16)
    matrix = CodedMatrix("m", codes, exponents, E2M1)
    base = BasePlan(3, 40, 4, 2, 2)
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
    """Lines, ties and one stub through chains of wires."""
    text = text.replace("lines_0(lines_0)", "lines_0({far, hop[0]})").replace(
        ".tie_low(tie_low)", ".tie_low(low)"
    )
    more = ["wire [1:0] hop;", "wire low;", "wire [13:0] far;", "assign lines_0[14:1] = far;",
            "assign tie_low = low;", "assign hop[1] = hop[0];", "assign lines_0[0] = hop[1];"]  # fmt: skip
    rng.shuffle(more)
    return text.replace("endmodule", "".join(f"  {line}\n" for line in more) + "endmodule")


@pytest.mark.parametrize("seed", range(8))
def test_names_order_and_detours_change_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    rows, columns, phases, e = 3, 70 + 30 * seed, 1 + seed % 4, (1, 4)[seed % 2]
    base = BasePlan(rows, columns, 8, phases, e)
    matrix = random_matrix(np.random.default_rng(seed), rows, columns, e)
    base_file, metal, aligned = write(tmp_path, matrix, base)
    before = metal.read_text()
    text = permute(detour(before, rng), rng)
    for order in (r"wire \[14:0\] (\w+);", r"\.(\w+)\("):  # declarations and pins have moved
        assert re.findall(order, text) != re.findall(order, before)
    texts = rename([base_file.read_text(), text], rng)
    assert not any(word in text for text in texts for word in ("lines", "taps", "hn_", "clk"))
    base_file.write_text(texts[0])
    metal.write_text(texts[1])
    assert same(read_matrix(metal, [base_file], base), matrix, aligned)


# --- faults --------------------------------------------------------------------------------------

PLAN = BasePlan(3, 70, 8, 2, 4)  # 3 blocks, 2 superblocks, 64 bundles, 128 stubs, 4 slots


class Faulty:
    """One array whose metal text is changed before it is read back."""

    def __init__(self, folder: Path) -> None:
        self.matrix = random_matrix(np.random.default_rng(7), 3, 70)
        self.base_file, self.metal, self.aligned = write(folder, self.matrix, PLAN)
        self.text = self.metal.read_text()

    def pin(self, name: str) -> list[str]:
        """Expressions at a pin, lowest bit first."""
        found = re.search(rf"\.{name}\({{([^}}]*)}}\)", self.text)
        assert found
        return found[1].split(", ")[::-1]

    def tie(self, bits: list[str], target: str) -> None:
        new = "{" + ", ".join(reversed(bits)) + "}"
        if target == "row_exponents":
            self.text = re.sub(r"assign row_exponents = {[^}]*}", f"assign row_exponents = {new}",
                               self.text)  # fmt: skip
        else:
            self.text = re.sub(rf"\.{target}\({{[^}}]*}}\)", f".{target}({new})", self.text)

    def tap(self, row: int, stub: int, to: str) -> None:
        bits = self.pin(f"taps_{row}")
        assert bits[stub] != to
        bits[stub] = to
        self.tie(bits, f"taps_{row}")

    def read(self) -> Readback:
        self.metal.write_text(self.text)
        return read_matrix(self.metal, [self.base_file], PLAN)

    def wrong(self, back: Readback) -> list[tuple[int, int]]:
        wrong = (back.values() != self.matrix.values()) & ~back.missing
        return [(int(r), int(c)) for r, c in np.argwhere(wrong)]

    def lost(self, back: Readback) -> list[tuple[int, int]]:
        return [(int(r), int(c)) for r, c in np.argwhere(back.missing)]


@pytest.fixture
def faulty(tmp_path: Path) -> Faulty:
    fault = Faulty(tmp_path)
    assert same(fault.read(), fault.matrix, fault.aligned)
    return fault


def test_tap_on_another_line(faulty: Faulty) -> None:
    column = 37
    bundle = PLAN.stub(column) % PLAN.n_ports
    line = LINE_MULTIPLES.index(int(faulty.aligned.multiples[1, column]))
    faulty.tap(1, PLAN.stub(column), f"lines_{bundle}[{(line + 1) % 15}]")
    back = faulty.read()
    assert faulty.wrong(back) == [(1, column)] and back.n_missing == 0


@pytest.mark.parametrize(
    "to",
    ["lines_0[3]", "lines_63[3]", "1'b0", "1'b1", "tie_low", "x[0]", "rst", "y[0]", "nothing",
     "lines_5[15]", "row_exponents[0]"],
)  # fmt: skip
def test_tap_outside_its_bundle(faulty: Faulty, to: str) -> None:
    faulty.tap(2, PLAN.stub(69), to)
    back = faulty.read()
    assert faulty.lost(back) == [(2, 69)] and faulty.wrong(back) == []
    assert back.n_missing == 1 and back.base_cells_in_metal == 0
    assert np.isnan(back.values()[2, 69]) and back.multiples[2, 69] == 0


def test_two_stubs_swapped(faulty: Faulty) -> None:
    """In one bundle that is two wrong weights; across bundles they are lost."""
    c = next(c for c in range(32) if len(set(faulty.aligned.multiples[0, [c, c + 32]])) == 2)
    bits = faulty.pin("taps_0")
    a, b = PLAN.stub(c), PLAN.stub(c + 32)
    assert a % PLAN.n_ports == b % PLAN.n_ports
    bits[a], bits[b] = bits[b], bits[a]
    faulty.tie(bits, "taps_0")
    assert faulty.wrong(faulty.read()) == [(0, c), (0, c + 32)]
    bits[0], bits[1] = bits[1], bits[0]
    faulty.tie(bits, "taps_0")
    assert faulty.lost(faulty.read()) == [(0, 0), (0, 1)]


def test_dropped_tap_shifts_the_row(faulty: Faulty) -> None:
    faulty.tie(faulty.pin("taps_1")[1:], "taps_1")
    back = faulty.read()
    assert {row for row, _ in faulty.lost(back)} == {1}
    assert back.missing[1].all() and back.n_missing == 70 + 58  # and all that pads the row


def test_open_stub(faulty: Faulty) -> None:
    faulty.text = re.sub(r"\.taps_1\({[^}]*}\)", ".taps_1()", faulty.text)
    assert faulty.read().n_missing == PLAN.n_stubs


def test_whole_pin_left_out(faulty: Faulty) -> None:
    faulty.text = re.sub(r"    \.taps_1\({[^}]*}\),\n", "", faulty.text)
    assert faulty.read().n_missing == PLAN.n_stubs


def test_padding_must_be_on_its_zero_line(faulty: Faulty) -> None:
    stub = PLAN.stub(69) + 1
    assert PLAN.column(*divmod(stub, PLAN.n_ports)) is None
    bundle = stub % PLAN.n_ports
    for to in (f"lines_{bundle}[1]", "tie_low"):
        faulty.tap(0, stub, to)
        back = faulty.read()
        assert (back.n_padding_errors, back.n_missing) == (1, 1) and not back.missing.any()


def test_exponent_pin_flipped(faulty: Faulty) -> None:
    """Pin 2 is the low bit of block 1; a zero weight does not notice."""
    bits = faulty.pin("exponents_1")
    bits[2] = {"tie_low": "tie_high", "tie_high": "tie_low"}[bits[2]]
    faulty.tie(bits, "exponents_1")
    nonzero = 32 + np.flatnonzero(faulty.matrix.values()[1, 32:64])
    assert faulty.wrong(faulty.read()) == [(1, int(c)) for c in nonzero]


@pytest.mark.parametrize("to", ["1'b0", "lines_0[0]", "nothing", "clk"])
def test_exponent_pin_without_a_tie(faulty: Faulty, to: str) -> None:
    bits = faulty.pin("exponents_1")
    bits[5] = to  # block 2
    faulty.tie(bits, "exponents_1")
    assert faulty.lost(faulty.read()) == [(1, c) for c in range(64, 70)]
    bits[5], bits[6] = "tie_low", to  # a slot that pads
    faulty.tie(bits, "exponents_1")
    back = faulty.read()
    assert back.n_padding_errors == 1 and not back.missing.any()


def test_exponent_that_the_base_cannot_hold(tmp_path: Path) -> None:
    base = replace(PLAN, exponent_values=3)
    matrix = random_matrix(np.random.default_rng(1), 3, 70, 1)
    base_file, metal, _ = write(tmp_path, matrix, base)
    text = re.sub(r"(\.exponents_0\({.*)tie_low, tie_low}", r"\1tie_high, tie_high}",
                  metal.read_text())  # fmt: skip
    metal.write_text(text)
    back = read_matrix(metal, [base_file], base)
    assert np.argwhere(back.missing).tolist() == [[0, c] for c in range(32)]


def test_row_exponent_tie(faulty: Faulty) -> None:
    assigned = re.search(r"assign row_exponents = {([^}]*)}", faulty.text)
    assert assigned
    bits = assigned[1].split(", ")[::-1]
    bits[19] = {"tie_low": "tie_high", "tie_high": "tie_low"}[bits[19]]  # sign of row 1
    faulty.tie(bits, "row_exponents")
    back = faulty.read()
    assert {row for row, _ in faulty.wrong(back)} == {1}
    assert abs(int(back.row_exponents[1]) - int(faulty.aligned.row_exponents[1])) == 512
    bits[19] = "1'b0"
    faulty.tie(bits, "row_exponents")
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
    bits = faulty.pin("taps_2")
    bits[0] = "~" + bits[0]
    faulty.tie(bits, "taps_2")
    faulty.text = faulty.text.replace("endmodule", "  hn_full_adder f (.a(clk));\nendmodule")
    back = faulty.read()
    assert back.base_cells_in_metal == 2 and back.missing[2].all()
    lines = faulty.text.splitlines()
    assert [lines[item.line - 1].split()[0] for item in back.foreign][1] == "hn_full_adder"
    assert ".taps_2(" in lines[back.foreign[0].line - 1]


def test_files_that_do_not_belong_together(faulty: Faulty, tmp_path: Path) -> None:
    for plan in (
        replace(PLAN, phases=1),
        replace(PLAN, n_rows=2),
        replace(PLAN, activation_bits=7),
    ):
        with pytest.raises(HnlpuError, match="not what its parameters say"):
            read_matrix(faulty.metal, [faulty.base_file], plan)
    with pytest.raises(HnlpuError, match="needs files"):
        read_matrix(faulty.metal, [], PLAN)
    other = BasePlan(3, 70, 8, 2, 2)
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
        base = BasePlan(coded.n_rows, coded.n_columns, 8, 2, 8)
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
             "requantised": requantised}
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
                            "constants", "constant_mismatches", "tensors"]  # fmt: skip
    assert report["weights"] == report["expected"] == 2 * 200 + 2 * 192
    assert counts(report) == (0, 0, 0, 0)
    assert (report["constants"], report["base_cells_in_metal"]) == (3, 0)
    assert entry(report, Q) == {"name": Q, "weights": 200, "mismatches": 0, "missing": 0,
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


def test_a_lost_tap_in_a_bundle(bundle: Bundle) -> None:
    path = bundle.bundle / "rtl" / f"{Q}.v"
    text = path.read_text()
    path.write_text(re.sub(r"lines_0\[\d+\]}", "tie_low}", text, count=1))
    report = bundle.read()
    assert counts(report) == (1, 1, 0, 0)
    first = entry(report, Q)["first_mismatch"]
    assert (first["row"], first["column"], first["got"]) == (0, 0, None)


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
    bundle.manifest["bases"][0]["parameters"]["volts"] = 5
    first["base"] = bundle.manifest["bases"][0]["name"]
    refused("cannot use a base")


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
    base = BasePlan(matrix.n_rows, matrix.n_columns, 8, 1, 1 << spread.bit_length())
    base_file, metal, aligned = write(tmp_path, matrix, base)
    assert same(read_matrix(metal, [base_file], base), matrix, aligned)


def _without_bf16(folder: Path, stem: str) -> Path:
    checkpoint = Tensors(SHARED / "adder_mini")
    names = (f"{stem}_blocks", f"{stem}_scales")
    save_file({name: checkpoint.read(name) for name in names}, folder / "part.safetensors")
    return folder / "part.safetensors"
