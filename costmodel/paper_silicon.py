"""Paper mode, silicon: blocks of a chip, power density, buffer, Figure 12, Figure 13.

Rules as the HNLPU paper states them (arXiv 2508.16151v2), and what its figures imply about each other.
Inputs are in ``data/paper_inputs.toml``.
"""

from numpy import maximum

from hnlpu.costmodel.sheet import rule

__all__: list[str] = []


@rule("mm2/chip", source="Table 1")
def die_area(
    hn_array_area, vex_area, control_area, buffer_area, interconnect_area, hbm_phy_area
):  # fmt: skip
    """Sum of the blocks of a chip."""
    logic = hn_array_area + vex_area + control_area
    return logic + buffer_area + interconnect_area + hbm_phy_area


@rule("W/chip", source="Table 1")
def chip_power(
    hn_array_power, vex_power, control_power, buffer_power, interconnect_power, hbm_phy_power
):  # fmt: skip
    """Sum of the blocks of a chip."""
    logic = hn_array_power + vex_power + control_power
    return logic + buffer_power + interconnect_power + hbm_phy_power


@rule("1", source="Table 1")
def hn_array_area_share(hn_array_area, die_area):
    """HN array over die area."""
    return hn_array_area / die_area


@rule("1", source="Table 1")
def vex_area_share(vex_area, die_area):
    """VEX over die area."""
    return vex_area / die_area


@rule("1", source="Table 1")
def buffer_area_share(buffer_area, die_area):
    """Attention buffer over die area."""
    return buffer_area / die_area


@rule("1", source="Table 1")
def interconnect_area_share(interconnect_area, die_area):
    """Interconnect engine over die area."""
    return interconnect_area / die_area


@rule("1", source="Table 1")
def hbm_phy_area_share(hbm_phy_area, die_area):
    """HBM PHY over die area."""
    return hbm_phy_area / die_area


@rule("1", source="Table 1")
def hn_array_power_share(hn_array_power, chip_power):
    """HN array over chip power."""
    return hn_array_power / chip_power


@rule("1", source="Table 1")
def vex_power_share(vex_power, chip_power):
    """VEX over chip power."""
    return vex_power / chip_power


@rule("1", source="Table 1")
def buffer_power_share(buffer_power, chip_power):
    """Attention buffer over chip power."""
    return buffer_power / chip_power


@rule("1", source="Table 1")
def interconnect_power_share(interconnect_power, chip_power):
    """Interconnect engine over chip power."""
    return interconnect_power / chip_power


@rule("1", source="Table 1")
def hbm_phy_power_share(hbm_phy_power, chip_power):
    """HBM PHY over chip power."""
    return hbm_phy_power / chip_power


@rule("W/mm2", source="Table 1; compared with Section 7.1")
def power_density(chip_power, die_area):
    """Chip power over die area."""
    return chip_power / die_area


@rule("W/mm2", source="Table 1; compared with Section 7.1")
def block_power_density(
    hn_array_power, hn_array_area, vex_power, vex_area, buffer_power, buffer_area,
    interconnect_power, interconnect_area, hbm_phy_power, hbm_phy_area,
):  # fmt: skip
    """The largest mean power density of a block."""
    logic = maximum(hn_array_power / hn_array_area, vex_power / vex_area)
    memory = maximum(buffer_power / buffer_area, hbm_phy_power / hbm_phy_area)
    return maximum(maximum(logic, memory), interconnect_power / interconnect_area)


@rule("B/chip", source="Section 4.3")
def buffer_capacity(buffer_banks, bank_capacity):
    """Banks times the capacity of a bank."""
    return buffer_banks * bank_capacity


@rule("B/s/chip", source="Sections 4.3 and 7.1")
def buffer_bandwidth(buffer_banks, bank_port, clock):
    """Every bank's read port, every cycle."""
    return buffer_banks * bank_port * clock


@rule("mm2/system", source="Abstract")
def total_area(die_area, chips_per_system):
    """Dies of a system."""
    return die_area * chips_per_system


@rule("1", source="abstract of the paper's first version")
def wafer_square_share(die_area, chip_variants, wafer_diameter):
    """One die of each chip over the square inscribed in a wafer, half the diameter squared."""
    return die_area * chip_variants / (wafer_diameter * wafer_diameter / 2)


@rule("1", source="Figure 12")
def density_gain(cell_embedding_area_ratio, metal_embedding_area_ratio):
    """Area of the Cell-Embedding over that of the Metal-Embedding."""
    return cell_embedding_area_ratio / metal_embedding_area_ratio


@rule("1", source="Section 1")
def density_saving(density_gain):
    """Share of the Cell-Embedding's area that the Metal-Embedding saves."""
    return 1 - 1 / density_gain


@rule("mm2", source="Section 2.2")
def constant_mac_area(nominal_weights, constant_mac_transistors, logic_density):
    """A constant MAC per weight, at the transistor density of the technology."""
    return nominal_weights * constant_mac_transistors / logic_density


@rule("chip", source="Section 2.2, with the exposure field of a scanner")
def constant_mac_chips(stated_constant_mac_area, reticle):
    """The paper's area of constant MACs over the largest die."""
    return stated_constant_mac_area / reticle


@rule("1", source="Section 2.2 against Table 1")
def text_density_gain(stated_constant_mac_area, hn_array_area, chip_variants):
    """The paper's area of constant MACs over its HN arrays."""
    return stated_constant_mac_area / (hn_array_area * chip_variants)


@rule("weight/chip", source="gpt-oss model card; Appendix A.2: the router is on every chip")
def weights_per_chip(
    model_weights, embedding_weights, router_weights, chip_variants
):  # fmt: skip
    """Weights without the embedding table, spread over the chips; the router's stand on each."""
    spread = (model_weights - embedding_weights - router_weights) / chip_variants
    return spread + router_weights


@rule("mm2/weight", source="Table 1")
def array_area_per_weight(hn_array_area, weights_per_chip):
    """HN array over the weights in it."""
    return hn_array_area / weights_per_chip


@rule("transistor/weight", source="Table 1 and Section 2.2")
def transistors_per_weight(array_area_per_weight, logic_density):
    """Area of a weight times the transistor density of the technology."""
    return array_area_per_weight * logic_density


@rule("transistor/weight", source="Section 3.1: a POPCNT sums the inputs of a region")
def popcount_transistors_per_weight(full_adder_transistors, adders_per_weight):
    """Full adders of a popcount without time sharing, about one per weight."""
    return full_adder_transistors * adders_per_weight


@rule("mm2/weight", source="Figure 12 with the buffer density of Table 1")
def figure_area_per_weight(
    metal_embedding_area_ratio, reference_sram, buffer_area, buffer_capacity, test_matrix_weights
):  # fmt: skip
    """Metal-Embedding of the test matrix, if its reference SRAM is as dense as the attention buffer."""
    sram = reference_sram * buffer_area / buffer_capacity
    return metal_embedding_area_ratio * sram / test_matrix_weights


@rule("mm2/weight", source="Figure 12 with a published bit cell")
def figure_area_per_weight_bitcells(
    metal_embedding_area_ratio, reference_sram, sram_bitcell, test_matrix_weights
):  # fmt: skip
    """Metal-Embedding of the test matrix, if its reference SRAM is bit cells and nothing else."""
    return metal_embedding_area_ratio * reference_sram * sram_bitcell / test_matrix_weights


@rule("W/system", source="Table 1")
def array_power(hn_array_power, chips_per_system):
    """HN arrays of a system."""
    return hn_array_power * chips_per_system


@rule("W/system", source="Figure 13 and Table 2")
def array_switching_power(test_matrix_energy, test_matrix_weights, active_weights, tokens_per_s):
    """Energy of a multiply-accumulate of Figure 13, times those of a token, times Table 2's tokens per second."""
    return test_matrix_energy / test_matrix_weights * active_weights * tokens_per_s


@rule("J", source="Table 1 against Figure 13")
def test_matrix_idle_energy(
    hn_array_power, weights_per_chip, test_matrix_weights, test_matrix_cycles, clock
):  # fmt: skip
    """Table 1's array power per weight, over the test matrix and its cycles."""
    return hn_array_power / weights_per_chip * test_matrix_weights * test_matrix_cycles / clock
