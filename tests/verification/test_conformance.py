"""Every architecture on the same random cases, in Verilator, from the emitted Verilog."""

from pathlib import Path

import pytest
from conformance import BASELINES, HARDWIRED, Case, build, draw, mac_loading, mac_plan

from hnlpu.progress import Silent
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.cell_array import CellPlan, cell_modules
from hnlpu.rtl.mac_array import MacPlan, mac_modules
from hnlpu.rtl.metal import metal_module
from hnlpu.taps import TapsPlan
from hnlpu.tools import find_verilator
from hnlpu.verification.cosim import ArrayJob, simulate

pytestmark = pytest.mark.cosim
N_CASES = 4
N_MORE = 20  # make check-all
SETTLE_CYCLES = 3  # the bench counts vectors by edges of the handshake


def hardwired_job(case: Case, arch: str, seed: int) -> tuple[ArrayJob, dict[str, str]]:
    metal = build(case, arch)
    text = "".join(metal_module(f"m{seed}", "a case", metal))
    modules = {name: "".join(pieces) for name, pieces in base_modules(metal.base)}
    rows = case.matrix.row_exponents
    return ArrayJob(f"case_{seed}", f"m{seed}", text, metal.base, case.x, case.y, rows), modules


def wrapper(case: Case, name: str, inner: str, y_bits: int, more: str) -> tuple[str, TapsPlan]:
    """A baseline in the outside of an array: results widened, row exponents tied."""
    rows, bits = case.matrix.n_rows, case.activation_bits
    plan = TapsPlan(rows, case.matrix.n_columns, bits, 1, case.exponent_values,
                    magnitudes=case.magnitudes)  # fmt: skip
    ties = sum((int(e) & 1023) << (10 * row) for row, e in enumerate(case.matrix.row_exponents))
    assert plan.y_bits >= y_bits
    wide = ", ".join(
        f"{{{{{plan.y_bits - y_bits + 1}{{part[{(row + 1) * y_bits - 1}]}}}}, "
        f"part[{(row + 1) * y_bits - 2}:{row * y_bits}]}}"
        for row in reversed(range(rows))
    )
    text = f"""\
module {name}(clk, rst, x_valid, x_ready, x, y_valid, y_ready, y, row_exponents);
  input clk, rst, x_valid, y_ready;
  output x_ready, y_valid;
  input [{case.matrix.n_columns * bits - 1}:0] x;
  output [{rows * plan.y_bits - 1}:0] y;
  output [{10 * rows - 1}:0] row_exponents;
  assign row_exponents = {10 * rows}'d{ties};
  wire [{rows * y_bits - 1}:0] part;
  assign y = {{{wide}}};
{more}
  {inner} inner(.clk(clk), .rst(rst), .x(x), .y(part), .y_valid(y_valid), .y_ready(y_ready), PINS);
endmodule
"""
    return text, plan


def cell_job(case: Case, seed: int) -> tuple[ArrayJob, dict[str, str]]:
    options = (case.matrix, case.activation_bits, bool(seed % 2), SETTLE_CYCLES, case.adder)
    modules = {f"c{seed}_{name}": text for name, text in cell_modules(*options)}
    inner = next(iter(cell_modules(*options)))[0]
    plan = CellPlan(case.matrix, case.activation_bits, shared=bool(seed % 2),
                    settle_cycles=SETTLE_CYCLES, adder=case.adder)  # fmt: skip
    text, outside = wrapper(case, f"m{seed}", inner, plan.y_bits, "")
    text = text.replace("PINS", ".x_valid(x_valid), .x_ready(x_ready)")
    rows = case.matrix.row_exponents
    return ArrayJob(f"case_{seed}", f"m{seed}", text, outside, case.x, case.y, rows), modules


def mac_job(case: Case, seed: int) -> tuple[ArrayJob, dict[str, str]]:
    """The SRAMs are written by a small loader before the first vector is let in."""
    plan: MacPlan = mac_plan(case)
    modules = dict(mac_modules(plan))
    inner = plan.name
    steps = list(mac_loading(plan, case.matrix))
    ports = ("weight", "exponent") if plan.exponent_bits else ("weight",)
    shapes = {"weight": plan.weight_shape, "exponent": plan.exponent_shape}
    registers, cases, pins = [], [], []
    for name in ports:
        words, n_bits = shapes[name]
        n_address = max(1, (words - 1).bit_length())
        registers.append(f"  reg {name}_enable; reg [{n_address - 1}:0] {name}_address;")
        registers.append(f"  reg [{n_bits - 1}:0] {name}_data;")
        pins += [f".{name}_{end}({name}_{end})" for end in ("enable", "address", "data")]
    idle = " ".join(f"{n}_enable = 0; {n}_address = 0; {n}_data = 0;" for n in ports)
    for i, step in enumerate(steps):
        (name,) = {key.rsplit("_", 1)[0] for key in step}
        n_bits = shapes[name][1]
        cases.append(
            f"      {i}: begin {name}_enable = 1; {name}_address = {step[f'{name}_address']}; "
            f"{name}_data = {n_bits}'h{step[f'{name}_data']:x}; end"
        )
    more = "\n".join(
        [*registers, "  reg [15:0] step; wire ready;",
         f"  always @(posedge clk) step <= rst ? 0 : step + (step < {len(steps) + 2});",
         f"  wire loaded = step == {len(steps) + 2};",
         "  assign x_ready = ready & loaded;",
         f"  always @* begin {idle}\n    case (step)", *cases, "      default: ;\n    endcase", "  end"]
    )  # fmt: skip
    text, outside = wrapper(case, f"m{seed}", inner, plan.y_bits, more)
    text = text.replace("PINS", f".x_valid(x_valid & loaded), .x_ready(ready), {', '.join(pins)}")
    rows = case.matrix.row_exponents
    return ArrayJob(f"case_{seed}", f"m{seed}", text, outside, case.x, case.y, rows), modules


def run_cases(tmp_path: Path, arch: str, seeds: range, spoil: bool = False) -> tuple[int, int]:
    """Vectors simulated and mismatches."""
    jobs, texts = [], {}
    for seed in seeds:
        case = draw(seed, most_columns=48, n_random=40)
        if arch == "mac" and mac_plan(case).interval_cycles == 1:
            continue  # its handshake has no edges, by which the bench counts vectors
        if spoil:
            case.y[-1, 0] += 1
        if arch in HARDWIRED:
            job, modules = hardwired_job(case, arch, seed)
        else:
            job, modules = cell_job(case, seed) if arch == "cell" else mac_job(case, seed)
        jobs.append(job)
        texts |= modules
    by_module = {}
    for text in texts.values():
        name = next(line for line in text.splitlines() if line.startswith("module "))
        by_module[name.split("(")[0].split()[1]] = text
    files = []
    for name, text in by_module.items():
        files.append(tmp_path / f"{name}.v")
        files[-1].write_text(text)
    verilator, _ = find_verilator()
    found = simulate(jobs, files, verilator, seed=1, n_stalled=8, waves=None, progress=Silent())
    for job in jobs:
        if arch in HARDWIRED:
            assert found[job.name].interval_cycles == (job.plan.interval_cycles,)
            assert found[job.name].latency_cycles == (job.plan.latency_cycles,)
    return (
        sum(entry.vectors for entry in found.values()),
        sum(entry.mismatches for entry in found.values()),
    )


@pytest.mark.parametrize("arch", HARDWIRED + BASELINES)
def test_cases(tmp_path, arch):
    vectors, mismatches = run_cases(tmp_path, arch, range(N_CASES))
    assert vectors > 50 * N_CASES
    assert mismatches == 0


@pytest.mark.slow
@pytest.mark.parametrize("arch", HARDWIRED + BASELINES)
def test_more_cases(tmp_path, arch):
    vectors, mismatches = run_cases(tmp_path, arch, range(N_CASES, N_CASES + N_MORE))
    assert vectors > 50 * N_MORE
    assert mismatches == 0


def test_a_wrong_result_is_seen(tmp_path):
    """The last vector of two cases, once at full speed and once with stalls."""
    assert run_cases(tmp_path, "taps", range(2), spoil=True)[1] == 2 * 2
