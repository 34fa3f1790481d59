"""MAC array: the baseline in which the weights are data, read from an SRAM.

Every multiply-accumulator (MAC) takes one weight per cycle:

    n_macs <= n_rows    all MACs share the input; each works on one row, then on the next group's row
    n_macs = C n_rows   C MACs a row, each on its own blocks of inputs; their sums are added at the end

A word of the weight SRAM holds one code per MAC, a word of the exponent SRAM one block exponent per MAC. A
code is a sign above the index of a magnitude (zero first), which for E2M1 is the format's own code.

The product is a Baugh-Wooley multiplier's: partial products of a sign bit and another bit weigh negative and
enter complemented. What that lacks is the same for every weight of a codebook, so it is not added
cycle by cycle: the accumulator starts with it. Without block exponents the partial products enter the
accumulator's own adders; with them the product is summed, shifted, and added.

The SRAM's output is registered: the address is the one of the next cycle. Weights are written through
ports of the SRAMs, the last word at least one cycle before the first vector.

Contract (checked by ``tests/rtl/test_mac_array.py`` against ``hnlpu.sim.array``): bit-exact, one
result per accepted vector.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.compression import Compression, Input, compress
from hnlpu.errors import HnlpuError
from hnlpu.rtl.cell_array import CellSum, SumPlan, Term, plan_sum
from hnlpu.rtl.cells import select_phase
from hnlpu.rtl.compressor import compress_bits
from hnlpu.rtl.hierarchy import Library, SharedComponent, place
from hnlpu.weights import BLOCK

__all__ = ["InputSelect", "Mac", "MacArray", "MacControl", "MacPlan", "Sram", "mac_modules"]

_UNLIMITED = 1 << 30  # tracks
#: An SRAM has no initial contents.
_MEMORY_INIT = re.compile(r"^  initial begin\n(?:    memory\[\d+\] = .*\n)+  end\n", re.MULTILINE)


@dataclass(frozen=True)
class MacPlan:
    """Parameters of a MAC array; no weight among them.

    Attributes
    ----------
    n_rows, n_columns : int
    activation_bits : int
        Width A of a signed input.
    n_macs : int
        Up to ``n_rows``, or a multiple of it.
    exponent_values : int
        Block exponents 0 .. E-1.
    magnitudes : tuple of int
        Codebook values without sign and zero, ascending.
    """

    n_rows: int
    n_columns: int
    activation_bits: int
    n_macs: int
    exponent_values: int = 1
    magnitudes: tuple[int, ...] = E2M1.magnitudes

    def __post_init__(self) -> None:
        for name, low, high in (
            ("n_rows", 1, 1 << 20),
            ("n_columns", 1, 1 << 20),
            ("activation_bits", 2, 16),
            ("n_macs", 1, self.n_rows * self.n_blocks),
            ("exponent_values", 1, 64),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise self._error(name, f"choose {low} to {high}")
        if self.n_macs > self.n_rows and self.n_macs % self.n_rows:
            raise self._error("n_macs", f"choose up to {self.n_rows}, or a multiple of it")
        if list(self.magnitudes) != sorted(set(self.magnitudes)) or self.magnitudes[0] < 1:
            raise self._error("magnitudes", "give positive magnitudes, ascending, each once")

    def _error(self, name: str, do: str) -> HnlpuError:
        return HnlpuError(
            f"{name} does not fit",
            where=f"MAC array of {self.n_rows} x {self.n_columns}",
            got=str(getattr(self, name)),
            do=do,
        )

    @classmethod
    def of(
        cls, matrix: AlignedMatrix, activation_bits: int, n_macs: int, magnitudes: Sequence[int]
    ) -> "MacPlan":
        """The smallest array that holds ``matrix``."""
        shape = matrix.n_rows, matrix.n_columns
        return cls(*shape, activation_bits, n_macs, matrix.spread + 1, tuple(magnitudes))

    @property
    def block(self) -> int:
        """Inputs that share a block exponent; fewer only where the whole row is shorter."""
        return min(BLOCK, self.n_columns)

    @property
    def n_blocks(self) -> int:
        return ceil(self.n_columns / self.block)

    @property
    def lanes(self) -> int:
        """MACs C that work on a row at the same time."""
        return max(1, self.n_macs // self.n_rows)

    @property
    def rows_at_once(self) -> int:
        return min(self.n_macs, self.n_rows)

    @property
    def n_groups(self) -> int:
        """Groups of rows, one after another."""
        return ceil(self.n_rows / self.rows_at_once)

    @property
    def lane_blocks(self) -> int:
        """Blocks of a lane."""
        return ceil(self.n_blocks / self.lanes)

    @property
    def lane_columns(self) -> int:
        """Weights of a row that a MAC takes: cycles per group."""
        return min(self.lane_blocks * self.block, self.n_columns)

    @property
    def interval_cycles(self) -> int:
        """Cycles from one accepted vector to the next, nothing stalling."""
        return self.n_groups * self.lane_columns

    @property
    def latency_cycles(self) -> int:
        """Cycles from the first in which a vector is offered to the first in which its result is."""
        return self.interval_cycles

    @property
    def code_bits(self) -> int:
        return len(self.magnitudes).bit_length() + 1

    @property
    def exponent_bits(self) -> int:
        return (self.exponent_values - 1).bit_length()

    @property
    def value_bits(self) -> int:
        """Width of a signed codebook value."""
        return self.magnitudes[-1].bit_length() + 1

    def _sum_bits(self, n_weights: int) -> int:
        most = (n_weights * self.magnitudes[-1]) << (
            self.exponent_values + self.activation_bits - 2
        )
        return most.bit_length() + 1

    @property
    def accumulator_bits(self) -> int:
        """Width of a MAC's register."""
        return self._sum_bits(self.lane_columns)

    @property
    def y_bits(self) -> int:
        """Width of a signed result."""
        return self._sum_bits(self.n_columns)

    @property
    def weight_shape(self) -> tuple[int, int]:
        """Words and bits per word of the weight SRAM."""
        return self.interval_cycles, self.n_macs * self.code_bits

    @property
    def exponent_shape(self) -> tuple[int, int]:
        """Words and bits per word of the exponent SRAM; no bits with one exponent per row."""
        return self.n_groups * self.lane_blocks, self.n_macs * self.exponent_bits

    @property
    def name(self) -> str:
        return (
            f"hn_mac_array_{self.n_rows}x{self.n_columns}_a{self.activation_bits}_n{self.n_macs}"
            f"_e{self.exponent_values}_{'x'.join(map(str, self.magnitudes))}"
        )

    def weight_words(self, matrix: AlignedMatrix) -> list[int]:
        """Words of the weight SRAM, in order of address; the first MAC in the low bits."""
        index = np.zeros(self.magnitudes[-1] + 1, dtype=np.int64)
        index[list(self.magnitudes)] = np.arange(1, len(self.magnitudes) + 1)
        values = matrix.multiples.astype(np.int64)
        sign = 1 << (self.code_bits - 1)
        codes = index[np.abs(values)] + np.where(values < 0, sign, 0)
        return self._words(codes, self.lane_columns, self.code_bits)

    def exponent_words(self, matrix: AlignedMatrix) -> list[int]:
        """Words of the exponent SRAM."""
        return self._words(
            matrix.block_exponents.astype(np.int64), self.lane_blocks, self.exponent_bits
        )

    def _words(self, entries: "np.ndarray", per_lane: int, n_bits: int) -> list[int]:
        """(n_rows, columns or blocks) to words: one for each group and place in a lane."""
        padded = np.zeros((self.n_groups * self.rows_at_once, self.lanes * per_lane), np.int64)
        padded[: entries.shape[0], : entries.shape[1]] = entries
        split = padded.reshape(self.n_groups, self.rows_at_once, self.lanes, per_lane)
        macs = split.transpose(0, 3, 1, 2).reshape(-1, self.n_macs)
        return [
            sum(entry << (n_bits * i) for i, entry in enumerate(word)) for word in macs.tolist()
        ]


class Sram(SharedComponent):
    """A memory with one port for writing and one for reading; a macro, counted by its bits.

    Members
    -------
    write_enable, write_address, write_data : In
    read_address : In
    read_data : Out(n_bits)
        The word at the last cycle's address.
    """

    clock_ports = ("clk",)

    def __init__(self, n_words: int, n_bits: int) -> None:
        self.n_words, self.n_bits = n_words, n_bits
        address = max(1, (n_words - 1).bit_length())
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(n_bits),
                "read_address": In(address),
                "read_data": Out(n_bits),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_sram_{self.n_words}x{self.n_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.n_bits, depth=self.n_words, init=[])
        write, read = memory.write_port(), memory.read_port()
        width = len(write.addr)
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address[:width]),
            write.data.eq(self.write_data),
            read.en.eq(1),
            read.addr.eq(self.read_address[:width]),
            self.read_data.eq(read.data),
        ]
        return m


class InputSelect(SharedComponent):
    """One of a lane's inputs: transmission gates, first within every block, then among the blocks.

    Members
    -------
    x : In(n_outer * n_inner * A)
    inner, outer : In(n_inner), In(n_outer), one-hot
    y : Out(A)
    """

    def __init__(self, activation_bits: int, n_inner: int, n_outer: int) -> None:
        self.activation_bits, self.n_inner, self.n_outer = activation_bits, n_inner, n_outer
        super().__init__(
            {
                "x": In(activation_bits * n_inner * n_outer),
                "inner": In(n_inner),
                "outer": In(n_outer),
                "y": Out(activation_bits),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_mac_select_a{self.activation_bits}_{self.n_inner}x{self.n_outer}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n_bits = self.activation_bits
        chosen: list[Value] = []
        for bit in range(n_bits):
            blocks = []
            for outer in range(self.n_outer):
                first = outer * self.n_inner
                inputs = [self.x[(first + i) * n_bits + bit] for i in range(self.n_inner)]
                name = f"inner_{bit}_{outer}"
                blocks.append(select_phase(m, name, inputs, self.inner, platform))
            chosen.append(select_phase(m, f"outer_{bit}", blocks, self.outer, platform))
        m.d.comb += self.y.eq(Cat(*chosen))
        return m


class Mac(SharedComponent):
    """Multiply-accumulator: one weight per cycle.

    Parameters
    ----------
    activation_bits : int
    magnitudes : tuple of int
    exponent_values : int
    n_weights : int
        Weights of a sum.
    accumulator_bits : int

    Members
    -------
    x : In(A)
    code : In(code_bits)
    exponent : In(exponent_bits)
        Absent with one exponent per row.
    first : In(1)
        First weight of a sum.
    enable : In(1)
        Take this cycle's weight.
    y : Out(accumulator_bits)
        The sum so far.
    """

    clock_ports = ("clk",)

    def __init__(
        self,
        activation_bits: int,
        magnitudes: tuple[int, ...],
        exponent_values: int,
        n_weights: int,
        accumulator_bits: int,
    ) -> None:
        self.activation_bits, self.magnitudes = activation_bits, magnitudes
        self.exponent_values, self.n_weights = exponent_values, n_weights
        self.accumulator_bits = accumulator_bits
        self.value_bits = magnitudes[-1].bit_length() + 1
        self.product_bits = activation_bits + self.value_bits - 1
        self.exponent_bits = (exponent_values - 1).bit_length()
        self.code_bits = len(magnitudes).bit_length() + 1
        ports = {"x": In(activation_bits), "code": In(self.code_bits)}
        if self.exponent_bits:
            ports["exponent"] = In(self.exponent_bits)
        ports |= {"first": In(1), "enable": In(1), "y": Out(accumulator_bits)}
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        return (
            f"hn_mac_a{self.activation_bits}_e{self.exponent_values}_k{self.n_weights}"
            f"_w{self.accumulator_bits}_{'x'.join(map(str, self.magnitudes))}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        value = self._decode(m)
        columns, bits, constant = self._partial_products(value)
        if self.exponent_bits:
            columns, bits, constant = self._shifted(m, columns, bits, constant, platform)
        start = constant * self.n_weights
        acc = Signal(self.accumulator_bits, reset_less=True)
        before = [
            (acc[i] | self.first) if start >> i & 1 else (acc[i] & ~self.first)
            for i in range(self.accumulator_bits)
        ]
        columns += range(self.accumulator_bits)
        plan = _plan(columns, self.accumulator_bits)
        total = compress_bits(m, "add", plan, _wires(plan, [*bits, *before]), platform)
        with m.If(self.enable):
            m.d.sync += acc.eq(total)
        m.d.comb += self.y.eq(acc)
        return m

    def _decode(self, m: Module) -> Signal:
        """Two's complement of the code's value."""
        index, sign = self.code[:-1], self.code[-1]
        value, magnitude = Signal(self.value_bits), Signal(self.value_bits - 1)
        with m.Switch(index):
            for i, known in enumerate(self.magnitudes):
                with m.Case(i + 1):
                    m.d.comb += magnitude.eq(known)
        m.d.comb += value.eq((magnitude ^ sign.replicate(self.value_bits - 1)) + sign)
        m.d.comb += value[-1].eq(sign & index.any())
        return value

    def _partial_products(self, value: Value) -> tuple[list[int], list[Value], int]:
        """Columns and bits, all counting positive, and the constant that they lack."""
        columns, bits, constant = [], [], 0
        for i in range(self.value_bits):
            for j in range(self.activation_bits):
                both = value[i] & self.x[j]
                negative = (i == self.value_bits - 1) != (j == self.activation_bits - 1)
                columns.append(i + j)
                bits.append(~both if negative else both)
                constant -= negative << (i + j)
        return columns, bits, constant

    def _shifted(
        self, m: Module, columns: list[int], bits: list[Value], constant: int, platform: object
    ) -> tuple[list[int], list[Value], int]:
        """The product, summed and shifted by the exponent, as bits that count positive."""
        n_bits = self.product_bits
        ties = [i for i in range(n_bits) if constant >> i & 1]
        plan = _plan([*columns, *ties], n_bits)
        wires = _wires(plan, [*bits, *(Const(1, 1) for _ in ties)])
        product = compress_bits(m, "product", plan, wires, platform)
        shift = place(m, "shift", platform, Shift, n_bits, self.exponent_values)
        m.d.comb += [shift.a.eq(product), shift.exponent.eq(self.exponent)]
        top = n_bits + self.exponent_values - 2
        wires = [*(shift.y[i] for i in range(top)), ~shift.y[top]]
        return list(range(top + 1)), wires, -(1 << top)


class Shift(SharedComponent):
    """A signed number shifted left by a block exponent.

    Members
    -------
    a : In(n_bits)
    exponent : In(exponent_bits)
    y : Out(n_bits + exponent_values - 1)
    """

    def __init__(self, n_bits: int, exponent_values: int) -> None:
        self.n_bits, self.exponent_values = n_bits, exponent_values
        super().__init__(
            {
                "a": In(n_bits),
                "exponent": In((exponent_values - 1).bit_length()),
                "y": Out(n_bits + exponent_values - 1),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_mac_shift_{self.n_bits}_e{self.exponent_values}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits: Value = self.a.as_signed()
        for stage in range(len(self.exponent)):
            n_bits = min(len(bits) + (1 << stage), len(self.y))
            chosen = Signal(signed(n_bits), name=f"chosen_{stage}")
            moved = Cat(Const(0, 1 << stage), bits).as_signed()
            m.d.comb += chosen.eq(Mux(self.exponent[stage], moved, bits))
            bits = chosen
        m.d.comb += self.y.eq(bits)
        return m


def _plan(columns: Sequence[int], n_bits: int) -> Compression:
    return compress(
        tuple(Input(column, free=True) for column in columns),
        n_columns=n_bits,
        tracks=_UNLIMITED,
        two_sided=False,
    )


@lru_cache(maxsize=64)
def _lane_sum(n_lanes: int, n_bits: int, y_bits: int) -> SumPlan:
    return plan_sum([Term(lane, 1, 0, False) for lane in range(n_lanes)], n_bits, y_bits)


def _wires(plan: Compression, bits: Sequence[Value]) -> list[Value]:
    """``bits`` in the polarity that the plan gives its inputs."""
    return [bit if plan.polarity[i] == 1 else ~bit for i, bit in enumerate(bits)]


class MacControl(SharedComponent):
    """Handshake, and the counters of a MAC array.

    A vector counts while it is offered, and is taken in its last cycle; a result that is not taken
    stops the array.

    Members
    -------
    x_valid, x_ready : In(1), Out(1)
    y_valid, y_ready : Out(1), In(1)
    inner, outer : Out, one-hot
        Place in the block, and block, of every lane's input.
    first : Out(1)
        First weight of a group.
    enable : Out(1)
        Take this cycle's weights.
    weight, exponent : Out
        Addresses of the next cycle's words; no ``exponent`` with one exponent per row.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, block: int, lane_columns: int, n_groups: int, has_exponents: bool) -> None:
        self.block, self.lane_columns, self.n_groups = block, lane_columns, n_groups
        self.has_exponents = has_exponents
        self.n_outer = ceil(lane_columns / block)
        self.n_steps = lane_columns * n_groups
        n_words = self.n_outer * n_groups
        ports = {
            "x_valid": In(1),
            "x_ready": Out(1),
            "y_valid": Out(1),
            "y_ready": In(1),
            "inner": Out(block),
            "outer": Out(self.n_outer),
            "first": Out(1),
            "enable": Out(1),
            "weight": Out(max(1, (self.n_steps - 1).bit_length())),
        }
        if has_exponents:
            ports["exponent"] = Out(max(1, (n_words - 1).bit_length()))
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        kind = "e" if self.has_exponents else ""
        return f"hn_mac_control{kind}_{self.block}_{self.lane_columns}_{self.n_groups}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inner, outer = Signal(self.block, init=1), Signal(self.n_outer, init=1)
        step = Signal.like(self.weight)
        advance, last, block_ends = Signal(), Signal(), Signal()
        short = (self.lane_columns - 1) % self.block  # where the last block ends
        m.d.comb += [
            advance.eq(~(self.y_valid & ~self.y_ready)),
            self.enable.eq(self.x_valid & advance),
            last.eq(step == self.n_steps - 1),
            self.x_ready.eq(advance & last),
            block_ends.eq(inner[-1] | (outer[-1] & inner[short])),
            self.inner.eq(inner),
            self.outer.eq(outer),
            self.first.eq(inner[0] & outer[0]),
            self.weight.eq(Mux(self.enable, Mux(last, 0, step + 1), step)),
        ]
        m.d.sync += step.eq(self.weight)
        with m.If(self.enable):
            m.d.sync += inner.eq(Mux(block_ends, 1, Cat(inner[-1], inner[:-1])))
            with m.If(block_ends):
                m.d.sync += outer.eq(Cat(outer[-1], outer[:-1]))
        if self.has_exponents:
            word = Signal.like(self.exponent)
            following = Mux(last, 0, word + block_ends)
            m.d.comb += self.exponent.eq(Mux(self.enable, following, word))
            m.d.sync += word.eq(self.exponent)
        done = self.enable & last
        m.d.sync += self.y_valid.eq(done | (self.y_valid & ~self.y_ready))
        return m


class MacArray(SharedComponent):
    """Matrix times vector, weights in an SRAM.

    Parameters
    ----------
    plan : MacPlan

    Members
    -------
    x_valid, x_ready : In(1), Out(1)
    x : In(n_columns * A)
        Signed inputs, input 0 in the low bits; taken in the last of a vector's cycles.
    y_valid, y_ready : Out(1), In(1)
    y : Out(n_rows * y_bits)
        Signed results in units of ``2**row_exponent``, row 0 in the low bits.
    weight_enable, weight_address, weight_data : In
        Write a word of ``MacPlan.weight_words``.
    exponent_enable, exponent_address, exponent_data : In
        Write a word of ``MacPlan.exponent_words``; absent with one exponent per row.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, plan: MacPlan) -> None:
        self.plan = plan
        ports = {
            "x_valid": In(1),
            "x_ready": Out(1),
            "x": In(plan.n_columns * plan.activation_bits),
            "y_valid": Out(1),
            "y_ready": In(1),
            "y": Out(plan.n_rows * plan.y_bits),
        }
        for name, shape in self._memories().items():
            ports |= {
                f"{name}_enable": In(1),
                f"{name}_address": In(max(1, (shape[0] - 1).bit_length())),
                f"{name}_data": In(shape[1]),
            }
        super().__init__(ports)

    def _memories(self) -> dict[str, tuple[int, int]]:
        shapes = {"weight": self.plan.weight_shape}
        if self.plan.exponent_bits:
            shapes["exponent"] = self.plan.exponent_shape
        return shapes

    @property
    def module_name(self) -> str:
        return self.plan.name

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        control = place(m, "control", platform, MacControl, plan.block, plan.lane_columns,
                        plan.n_groups, plan.exponent_bits > 0)  # fmt: skip
        m.d.comb += [
            control.x_valid.eq(self.x_valid),
            self.x_ready.eq(control.x_ready),
            self.y_valid.eq(control.y_valid),
            control.y_ready.eq(self.y_ready),
        ]
        words: dict[str, Value] = {}
        for name, shape in self._memories().items():
            memory = place(m, f"{name}_sram", platform, Sram, *shape)
            m.d.comb += [
                memory.write_enable.eq(getattr(self, f"{name}_enable")),
                memory.write_address.eq(getattr(self, f"{name}_address")),
                memory.write_data.eq(getattr(self, f"{name}_data")),
                memory.read_address.eq(getattr(control, name)),
            ]
            words[name] = memory.read_data
        inputs = self._inputs(m, control, platform)
        sums = []
        for row in range(plan.rows_at_once):
            lanes = []
            for lane in range(plan.lanes):
                index = row * plan.lanes + lane
                mac = place(m, f"mac_{index}", platform, Mac, plan.activation_bits,
                            plan.magnitudes, plan.exponent_values, plan.lane_columns,
                            plan.accumulator_bits)  # fmt: skip
                m.d.comb += [
                    mac.x.eq(inputs[lane]),
                    mac.code.eq(words["weight"].word_select(index, plan.code_bits)),
                    mac.first.eq(control.first),
                    mac.enable.eq(control.enable),
                ]
                if plan.exponent_bits:
                    exponent = words["exponent"].word_select(index, plan.exponent_bits)
                    m.d.comb += mac.exponent.eq(exponent)
                lanes.append(mac.y)
            sums.append(self._row_sum(m, row, lanes, platform))
        results = self._results(m, control.first & control.enable, sums)
        m.d.comb += self.y.eq(Cat(*results[: plan.n_rows]))
        return m

    def _inputs(self, m: Module, control: "MacControl", platform: object) -> list[Value]:
        """The input of every lane in this cycle."""
        plan = self.plan
        result: list[Value] = []
        for lane in range(plan.lanes):
            select = place(m, f"select_{lane}", platform, InputSelect, plan.activation_bits,
                           plan.block, len(control.outer))  # fmt: skip
            first = lane * plan.lane_blocks * plan.block * plan.activation_bits
            m.d.comb += [
                select.x.eq(self.x[first : first + len(select.x)]),
                select.inner.eq(control.inner),
                select.outer.eq(control.outer),
            ]
            result.append(select.y)
        return result

    def _row_sum(self, m: Module, row: int, lanes: list[Value], platform: object) -> Value:
        """Sum of a row's lanes."""
        if len(lanes) == 1:
            return lanes[0]
        plan = _lane_sum(self.plan.lanes, self.plan.accumulator_bits, self.plan.y_bits)
        pins = [
            Const(not complemented, 1)
            if bit is None
            else (~lanes[bit.column][bit.bit] if complemented else lanes[bit.column][bit.bit])
            for bit, complemented in zip(plan.bits, plan.complemented, strict=True)
        ]
        cells = place(m, f"sum_{row}", platform, CellSum, plan.compression)
        m.d.comb += cells.pins.eq(Cat(*pins))
        result: Value = cells.y
        return result

    def _results(self, m: Module, begin: Value, sums: list[Value]) -> list[Value]:
        """Results by row: earlier groups move down a chain as the next one begins."""
        chains: list[list[Value]] = [[total] for total in sums]
        for group in reversed(range(self.plan.n_groups - 1)):
            for i, chain in enumerate(chains):
                register = Signal(len(chain[0]), name=f"row_{group}_{i}", reset_less=True)
                with m.If(begin):
                    m.d.sync += register.eq(chain[0])
                chain.insert(0, register)
        return [chain[group] for group in range(self.plan.n_groups) for chain in chains]


def mac_modules(plan: MacPlan) -> Iterator[tuple[str, str]]:
    """``(module name, Verilog text)`` of a ``MacArray`` and every module below it, the array first."""
    library = Library()
    library.prototype(MacArray, plan)
    for name, text in library.modules():
        yield name, _MEMORY_INIT.sub("", text)
