"""Technology: what a chip of the 5 nm class gives, and what the paper's blocks measure."""

from dataclasses import dataclass
from pathlib import Path

from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.quantity import Quantity

__all__ = ["BLOCKS", "Block", "Technology", "load_technology"]

#: Blocks of one chip, in the order of the paper's Table 1.
BLOCKS = ("hn_array", "vex", "control", "buffer", "interconnect", "hbm_phy")

_UNITS = {
    "logic_density": "Mtransistor/mm2",
    "reticle": "mm2",
    "clock": "GHz",
    "sram_bitcell": "um2",
    "system_chips": "chips",
    "buffer_capacity": "MB",
    "system_power_factor": "1",
    "vex_kv_heads": "heads/cycle",
    "vex_elements": "elements/cycle",
    "vex_depth": "cycles",
    "link_latency": "ns",
    "link_bandwidth": "GB/s",
    "link_element_bytes": "B",
    "context": "1",
    "embedding_bytes": "B",
    "block_scaling": "1",
    "power_scaling": "1",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A block of one chip of the paper's system (Table 1)."""

    name: str
    area: Quantity
    power: Quantity


@dataclass(frozen=True, slots=True)
class Technology:
    """Everything of ``technology.toml``; a field is named like its key.

    Attributes
    ----------
    blocks : tuple of Block
        In the order of ``BLOCKS``.
    """

    logic_density: Quantity
    reticle: Quantity
    clock: Quantity
    sram_bitcell: Quantity
    system_chips: Quantity
    buffer_capacity: Quantity
    system_power_factor: Quantity
    vex_kv_heads: Quantity
    vex_elements: Quantity
    vex_depth: Quantity
    link_latency: Quantity
    link_bandwidth: Quantity
    link_element_bytes: Quantity
    context: Quantity
    embedding_bytes: Quantity
    block_scaling: Quantity
    power_scaling: Quantity
    blocks: tuple[Block, ...]

    def block(self, name: str) -> Block:
        return self.blocks[BLOCKS.index(name)]


def load_technology(path: Path | None = None) -> Technology:
    """Read ``technology.toml``, the package's own unless ``path`` names another.

    Raises
    ------
    HnlpuError
        Missing or unknown entry, entry without source or range, wrong unit.
    """
    file = DataFile("technology.toml", path)
    file.only([*_UNITS, *(f"{name}_{kind}" for name in BLOCKS for kind in ("area", "power"))])
    return Technology(
        **{key: file.quantity(key, unit) for key, unit in _UNITS.items()},
        blocks=tuple(
            Block(name, file.quantity(f"{name}_area", "mm2"), file.quantity(f"{name}_power", "W"))
            for name in BLOCKS
        ),
    )
