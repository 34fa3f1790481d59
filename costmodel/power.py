"""Power: energy of a token from toggles, lines, clock, VEX, memories and links, and what flows without tokens.

    switching = energy of a token's pass x tokens that pass per second
    static    = leakage of logic and memory by area, idle HBM and PHYs
    system    = (switching + static) x (1 + losses of conversion and cooling in the box)

The data centre's overhead (PUE) is applied once, to the electricity (``costmodel/ownership.py``).
"""

from numpy import where

from hnlpu.costmodel.sheet import rule

__all__ = ["INPUTS", "PARTS"]

#: Parts of a token's energy, and the figure of each in J per token that passes; all but the last are switching.
PARTS = {
    "weights": "weight_energy",
    "lines": "line_energy",
    "clock": "clock_energy",
    "vex": "vex_energy",
    "buffer": "buffer_energy",
    "hbm": "hbm_energy",
    "links": "link_energy",
    "static": "static_energy",
}

#: Inputs of these rules and their units.
INPUTS = {
    "active_weights": "weight",
    "toggles_per_weight": "1/(weight*token)",
    "toggle_energy": "fJ",
    "energy_scale": "1",
    "line_activity": "1/cycle",
    "line_energy_per_length": "fJ/um",
    "flip_flop_energy": "fJ/cycle",
    "mac_energy": "pJ",
    "element_energy": "pJ",
    "buffer_byte_energy": "pJ/B",
    "hbm_byte_energy": "pJ/B",
    "link_byte_energy": "pJ/B",
    "leakage": "W/mm2",
    "sram_leakage": "W/mm2",
    "hbm_idle": "W",
    "phy_idle": "W/chip",
    "link_idle": "W/chip",
    "box_losses": "1",
}


@rule("J/token")
def weight_energy(active_weights, toggles_per_weight, toggle_energy, energy_scale):
    """Active weights x toggles per weight, counted on netlists x energy of a toggle at this node."""
    return active_weights * toggles_per_weight * toggle_energy * energy_scale


@rule("J/token", tag="assumed")
def line_energy(
    active_weights, area_per_weight, line_pitch, array_interval_cycles, line_activity,
    line_energy_per_length, energy_scale,
):  # fmt: skip
    """Length of lines over active weights (area / line pitch) x cycles of a vector x activity
    x energy of a toggle per length."""
    length = active_weights * area_per_weight / line_pitch
    toggles = array_interval_cycles * line_activity
    return length * toggles * line_energy_per_length * energy_scale


@rule("J/token")
def clock_energy(
    flip_flops, active_weights, weights, array_interval_cycles, flip_flop_energy, energy_scale
):
    """Flip-flops of active arrays x cycles of a vector x energy of a clocked flip-flop; idle arrays are gated."""
    active = flip_flops * active_weights / weights
    return active * array_interval_cycles * flip_flop_energy * energy_scale


@rule("J/token")
def vex_energy(
    attention_macs, mac_energy, vex_elements, element_energy, chips, one_chip, energy_scale
):
    """Attention multiply-accumulates x energy + elements of every chip x energy."""
    elements = vex_elements * chips / one_chip * element_energy
    return (attention_macs * mac_energy + elements) * energy_scale


@rule("J/token")
def buffer_energy(kv_read_bytes, kv_spilled, buffer_byte_energy, energy_scale):
    """KV bytes from the attention buffers x energy of a byte."""
    return kv_read_bytes * (1 - kv_spilled) * buffer_byte_energy * energy_scale


@rule("J/token")
def hbm_energy(kv_read_bytes, kv_spilled, hbm_byte_energy):
    """KV bytes from HBM x energy of a byte."""
    return kv_read_bytes * kv_spilled * hbm_byte_energy


@rule("J/token")
def link_energy(column_bytes, row_bytes, link_byte_energy, chips, one_chip):
    """Bytes over all links (every chip sends to the others of its row and column) x energy of a byte."""
    return (column_bytes + row_bytes) * link_byte_energy * (chips - one_chip) / one_chip


@rule("J/token")
def pass_energy(
    weight_energy, line_energy, clock_energy, vex_energy, buffer_energy, hbm_energy, link_energy
):
    """Energy of a token's pass through the system: sum of its parts."""
    arrays = weight_energy + line_energy + clock_energy
    return arrays + vex_energy + buffer_energy + hbm_energy + link_energy


@rule("W")
def switching_w(pass_energy, positions_per_s):
    """Energy of a pass x tokens that pass per second."""
    return pass_energy * positions_per_s


@rule("W", tag="assumed")
def leakage_w(
    hn_area_mm2, vex_mm2, control_mm2, buffer_mm2, embedding_sram_mm2, leakage, sram_leakage
):
    """Area of logic x leakage + area of memory x leakage."""
    logic = hn_area_mm2 + vex_mm2 + control_mm2
    return logic * leakage + (buffer_mm2 + embedding_sram_mm2) * sram_leakage


@rule("W", tag="assumed")
def idle_io_w(hbm_stacks, hbm_idle, phy_idle, hbm_needed, link_idle, chips, one_chip):
    """HBM stacks and PHYs, and interconnect of more than one chip, without traffic."""
    linked = where(chips > one_chip, 1, 0)
    return ((hbm_stacks * hbm_idle + phy_idle) * hbm_needed + link_idle * linked) * chips


@rule("J/token")
def static_energy(leakage_w, idle_io_w, positions_per_s):
    """(Leakage + idle interfaces) / tokens that pass per second: what flows without them, shared by them."""
    return (leakage_w + idle_io_w) / positions_per_s


@rule("J/token")
def token_energy(pass_energy, static_energy):
    """Switching of a token's pass + its share of what flows without tokens."""
    return pass_energy + static_energy


@rule("W")
def chips_w(switching_w, leakage_w, idle_io_w):
    """Switching + leakage + idle interfaces of all chips."""
    return switching_w + leakage_w + idle_io_w


@rule("W")
def power_w(chips_w, box_losses):
    """Power of a system: its chips x (1 + losses)."""
    return chips_w * (1 + box_losses)


@rule("token/J")
def tokens_per_j(tokens_per_s, power_w):
    """Tokens written per second / power of a system."""
    return tokens_per_s / power_w


@rule("W/mm2")
def power_density(chips_w, total_area_mm2):
    """Power of the chips / their area."""
    return chips_w / total_area_mm2
