"""Silicon: arrays from counted transistors and from their wires, the blocks around them, and whole chips.

    arrays = the larger of transistors / density and lines x line pitch x stubs x stub pitch
    chips  = 1 if everything fits the reticle, else the fewest with
             (arrays + embedding) / chips + VEX + control + buffer + interconnect + HBM PHY <= reticle

Weights are cut over chips anywhere; a rectangular grid is not enforced.
"""

from numpy import ceil, maximum, minimum, where

from hnlpu.costmodel.sheet import rule

__all__ = ["BLOCKS", "INPUTS"]

#: Blocks of a system: the figure of each, which add up to ``total_area_mm2``, and its name.
BLOCKS = {
    "hn_area_mm2": "HN arrays",
    "vex_mm2": "VEX",
    "control_mm2": "control",
    "buffer_mm2": "attention buffer",
    "embedding_sram_mm2": "embedding SRAM",
    "interconnect_mm2": "interconnect",
    "hbm_phy_mm2": "HBM PHY",
}

_TABLE_1 = (
    "HNLPU paper, Table 1, scaled: the blocks around the arrays are not synthesised at this node"
)

#: Inputs of these rules and their units.
INPUTS = {
    "weights": "weight",
    "transistors": "transistor",
    "flip_flops": "1",
    "wire_crossings": "1",
    "clock_tree_per_flip_flop": "transistor",
    "repeater_distance": "um",
    "repeater_transistors": "transistor",
    "line_pitch": "um",
    "stub_pitch": "um",
    "logic_density": "Mtransistor/mm2",
    "spare_neurons": "1",
    "sram_bitcell": "um2/bit",
    "sram_efficiency": "1",
    "embedding_numbers": "1",
    "embedding_number_bytes": "B",
    "vex_transistors": "Mtransistor/chip",
    "vex_size": "1",
    "vex_share": "1",
    "buffer_share": "1",
    "control_mm2_per_chip": "mm2/chip",
    "buffer_limit": "MB/chip",
    "interconnect_mm2_per_chip": "mm2/chip",
    "hbm_phy_mm2_per_chip": "mm2/chip",
    "block_scaling": "1",
    "reticle": "mm2/chip",
    "one_chip": "chip",
}


@rule("transistor")
def clock_tree_transistors(flip_flops, clock_tree_per_flip_flop):
    """Flip-flops x transistors of clock gates and buffers behind each."""
    return flip_flops * clock_tree_per_flip_flop


@rule("mm2")
def hn_wires_mm2(wire_crossings, line_pitch, stub_pitch):
    """Crossings of lines and stubs x line pitch x stub pitch: what the metal of the arrays needs."""
    return wire_crossings * line_pitch * stub_pitch


@rule("transistor")
def line_repeater_transistors(
    transistors, logic_density, hn_wires_mm2, line_pitch, repeater_distance, repeater_transistors
):
    """Length of all lines (array area / line pitch) / repeater distance x transistors of a repeater."""
    line_length = maximum(transistors / logic_density, hn_wires_mm2) / line_pitch
    return line_length / repeater_distance * repeater_transistors


@rule("transistor")
def hn_transistors(transistors, clock_tree_transistors, line_repeater_transistors):
    """Counted transistors + clock tree + line repeaters."""
    return transistors + clock_tree_transistors + line_repeater_transistors


@rule("transistor/weight")
def transistors_per_weight(hn_transistors, weights):
    """Transistors of the arrays, clock tree and repeaters included / hardwired weights."""
    return hn_transistors / weights


@rule("mm2")
def hn_silicon_mm2(hn_transistors, logic_density):
    """Transistors of the arrays / logic density."""
    return hn_transistors / logic_density


@rule("mm2")
def hn_area_mm2(hn_silicon_mm2, hn_wires_mm2, spare_neurons):
    """The larger of silicon and wires, plus the share of spare neurons."""
    return maximum(hn_silicon_mm2, hn_wires_mm2) * (1 + spare_neurons)


@rule("mm2/weight")
def area_per_weight(hn_area_mm2, weights):
    """Area of the arrays / hardwired weights."""
    return hn_area_mm2 / weights


@rule("mm2/B")
def sram_mm2_per_byte(sram_bitcell, sram_efficiency):
    """Bit cell / share of an SRAM's area that is bit cells."""
    return sram_bitcell / sram_efficiency


@rule("B")
def embedding_bytes(embedding_numbers, embedding_number_bytes):
    """Numbers of the embedding table x bytes of a number."""
    return embedding_numbers * embedding_number_bytes


@rule("mm2")
def embedding_sram_wanted_mm2(embedding_bytes, sram_mm2_per_byte):
    """Embedding table in SRAM."""
    return embedding_bytes * sram_mm2_per_byte


@rule("1")
def vex_fraction(vex_size, vex_share, reticle, logic_density, vex_transistors):
    """VEX of a chip as a fraction of the paper's: what the model takes, or what its share of a reticle holds."""
    return minimum(vex_size, vex_share * reticle * logic_density / vex_transistors)


@rule("mm2/chip", source=_TABLE_1, tag="assumed")
def vex_mm2_per_chip(vex_transistors, vex_fraction, logic_density, block_scaling):
    """Transistors of the paper's VEX x fraction of one / logic density x scaling doubt."""
    return vex_transistors * vex_fraction / logic_density * block_scaling


@rule("B/chip")
def buffer_bytes_per_chip(
    buffer_limit, kv_workload_bytes, buffer_share, reticle, sram_mm2_per_byte, one_chip
):
    """The paper's buffer, what its share of a reticle holds, or the workload's KV cache: the smallest."""
    fitting = buffer_share * reticle / sram_mm2_per_byte
    return minimum(minimum(buffer_limit, fitting), kv_workload_bytes / one_chip)


@rule("mm2/chip")
def buffer_mm2_per_chip(buffer_bytes_per_chip, sram_mm2_per_byte, block_scaling):
    """Bytes of the attention buffer x area of a byte x scaling doubt."""
    return buffer_bytes_per_chip * sram_mm2_per_byte * block_scaling


@rule("1")
def hbm_needed(
    embedding_sram_wanted_mm2, hbm_phy_mm2_per_chip, kv_workload_bytes, buffer_bytes_per_chip,
    one_chip,
):  # fmt: skip
    """1 where the embedding would need more area as SRAM than an HBM PHY, or the KV cache is larger than one
    chip's buffer; else 0."""
    spills = where(kv_workload_bytes > buffer_bytes_per_chip * one_chip, 1, 0)
    return where(embedding_sram_wanted_mm2 > hbm_phy_mm2_per_chip * one_chip, 1, spills)


@rule("mm2")
def embedding_sram_mm2(embedding_sram_wanted_mm2, hbm_needed):
    """Embedding table in SRAM, where there is no HBM."""
    return embedding_sram_wanted_mm2 * (1 - hbm_needed)


@rule("mm2/chip")
def single_chip_blocks_mm2(
    vex_mm2_per_chip, control_mm2_per_chip, buffer_mm2_per_chip, hbm_needed, hbm_phy_mm2_per_chip
):
    """VEX + control + buffer + HBM PHY where there is HBM."""
    return (
        vex_mm2_per_chip
        + control_mm2_per_chip
        + buffer_mm2_per_chip
        + hbm_needed * hbm_phy_mm2_per_chip
    )


@rule("chip")
def chips(
    hn_area_mm2, embedding_sram_mm2, single_chip_blocks_mm2, interconnect_mm2_per_chip, reticle,
    one_chip,
):  # fmt: skip
    """One if everything fits the reticle, else arrays and embedding / room beside the blocks, rounded up;
    the room is taken as at least a fiftieth of the reticle."""
    divided = hn_area_mm2 + embedding_sram_mm2
    room = maximum(reticle - single_chip_blocks_mm2 - interconnect_mm2_per_chip, reticle / 50)
    several = maximum(2 * one_chip, ceil(divided / room))
    return where(divided / one_chip + single_chip_blocks_mm2 <= reticle, one_chip, several)


@rule("mm2/chip")
def interconnect_mm2_on_chip(interconnect_mm2_per_chip, chips, one_chip):
    """Interconnect engine where there are two chips or more."""
    return where(chips > one_chip, interconnect_mm2_per_chip, 0 * interconnect_mm2_per_chip)


@rule("mm2")
def die_area_mm2(
    hn_area_mm2, embedding_sram_mm2, chips, single_chip_blocks_mm2, interconnect_mm2_on_chip
):
    """Arrays and embedding / chips + the blocks of every chip."""
    divided = (hn_area_mm2 + embedding_sram_mm2) / chips
    return divided + single_chip_blocks_mm2 + interconnect_mm2_on_chip


@rule("mm2")
def total_area_mm2(die_area_mm2, chips):
    """Die area x chips."""
    return die_area_mm2 * chips


@rule("mm2")
def vex_mm2(vex_mm2_per_chip, chips):
    """VEX of all chips."""
    return vex_mm2_per_chip * chips


@rule("mm2")
def control_mm2(control_mm2_per_chip, chips):
    """Control units of all chips."""
    return control_mm2_per_chip * chips


@rule("mm2")
def buffer_mm2(buffer_mm2_per_chip, chips):
    """Attention buffers of all chips."""
    return buffer_mm2_per_chip * chips


@rule("mm2")
def interconnect_mm2(interconnect_mm2_on_chip, chips):
    """Interconnect engines of all chips."""
    return interconnect_mm2_on_chip * chips


@rule("mm2")
def hbm_phy_mm2(hbm_phy_mm2_per_chip, hbm_needed, chips):
    """HBM PHYs of all chips."""
    return hbm_phy_mm2_per_chip * hbm_needed * chips
