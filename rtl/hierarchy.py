"""One Verilog module per distinct component.

Amaranth elaborates every submodule into a module of its own, so an array of 2,880 equal neurons would
be elaborated and written 2,880 times. Components placed through :func:`place` are elaborated in
simulation as usual; while a :class:`Library` emits Verilog they become instances of one shared module,
which the library then writes once.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring

from hnlpu.rtl.emission import recall, remember
from hnlpu.rtl.yosys_text import verilog_texts

__all__ = ["Library", "SharedComponent", "place"]


#: A chip has no initial values; its reset defines the state. (Yosys' own trigger registers, whose names
#: begin with ``\\$auto``, keep theirs: they start ``always @*`` blocks in event-driven simulators.)
_REGISTER_INIT = re.compile(r"^(  reg (?:\[\d+:\d+\] )?(?!\\\$auto)\S+ *) = [^;]+;", re.MULTILINE)
#: The same on a wire that is another name of a register.
_WIRE_INIT = re.compile(r"^  \(\* init = .*\*\)\n", re.MULTILINE)


_LINT = """\
/* verilator lint_off UNUSEDSIGNAL */
// (Yosys keeps the names of wires whose uses it has replaced.)
"""


class SharedComponent(wiring.Component):
    """A component that is emitted once however often it is placed.

    Attributes
    ----------
    clock_ports : tuple of str
        Which of ``clk`` and ``rst`` the module has.
    """

    clock_ports: ClassVar[tuple[str, ...]] = ()

    @property
    def module_name(self) -> str:
        """Name of the Verilog module; equal names must mean equal modules."""
        raise NotImplementedError

    def text(self) -> str | None:
        """Verilog of the module where it is written by hand (memories); None leaves it to Amaranth."""
        return None


class Library:
    """The "platform" that collects shared components while Verilog is emitted."""

    #: Text of every module emitted in this process, and the modules placed in it: Yosys is slow.
    _emitted: ClassVar[dict[Any, tuple[str, tuple[Any, ...]]]] = {}

    def __init__(self) -> None:
        self._prototypes: dict[Any, SharedComponent] = {}
        self._placed: list[Any] = []

    @classmethod
    def emitted(cls) -> dict[Any, tuple[str, tuple[Any, ...]]]:
        """What this process has emitted: text and modules below, by component class and parameters."""
        return cls._emitted

    def prototype(self, kind: type[SharedComponent], *parameters: Any) -> SharedComponent:
        """The one component of this kind and these parameters; its module will be written."""
        key = (kind, parameters)
        if key not in self._prototypes:
            self._prototypes[key] = component = kind(*parameters)
            component._MustUse__silence = True  # its name or ports may be all that is asked for
        return self._prototypes[key]

    def instance(
        self, name: str, kind: type[SharedComponent], parameters: tuple[Any, ...]
    ) -> tuple[Instance, wiring.PureInterface]:
        """An instance of the shared module, and fresh signals bound to its ports."""
        prototype = self.prototype(kind, *parameters)
        self._placed.append((kind, parameters))
        signals = prototype.signature.create(path=(name,))
        ports: dict[str, object] = {}
        if "clk" in prototype.clock_ports:
            ports["i_clk"] = ClockSignal()
        if "rst" in prototype.clock_ports:
            ports["i_rst"] = ResetSignal()
        for path, member, value in prototype.signature.flatten(signals):
            direction = "i" if member.flow == wiring.In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = Value.cast(value)
        return Instance(prototype.module_name, **ports), signals

    def modules(self) -> Iterator[tuple[str, str]]:
        """Yield ``(module name, Verilog text)`` of every prototype and everything below it.

        Parameters may be told in more than one way: the text of a name is written once, and two
        components of one name must have the same.
        """
        self._emit()
        written: dict[str, str] = {}
        for key, component in self._prototypes.items():
            name, (text, _) = component.module_name, self._emitted[key]
            if name not in written:
                written[name] = text
                yield name, text
            assert written[name] == text, f"two modules are called {name}"

    def _emit(self) -> None:
        """Emit every prototype and everything below it, those that Yosys must write in one go."""
        done: set[Any] = set()
        waiting: dict[Any, tuple[str, tuple[Any, ...]]] = {}
        while len(done) < len(self._prototypes):
            for key, component in list(self._prototypes.items()):
                if key in done:
                    continue
                done.add(key)
                known = self._emitted.get(key) or recall(key)
                if known is None:
                    self._placed = []
                    text = component.text()
                    rtlil_text = text or self._rtlil(component)
                    known = rtlil_text, tuple(self._placed)
                    if not text:
                        waiting[key] = known
                if key not in waiting:
                    self._emitted[key] = known
                for kind, parameters in known[1]:
                    self.prototype(kind, *parameters)
        # What has one name and one text under several parameters is written once.
        distinct = list(dict.fromkeys(text for text, _ in waiting.values()))
        texts = dict(zip(distinct, verilog_texts(distinct), strict=True))
        for key, (text, below) in waiting.items():
            clean = _LINT + _WIRE_INIT.sub("", _REGISTER_INIT.sub(r"\1;", texts[text]))
            self._emitted[key] = clean, below
            remember(key, self._emitted[key])

    def _rtlil(self, component: SharedComponent) -> str:
        reset_less = "rst" not in component.clock_ports
        text: str = rtlil.convert(
            component,
            name=component.module_name,
            platform=self,
            emit_src=False,
            missing_domain=partial(ClockDomain, reset_less=reset_less),
        )
        return text


def place(
    m: Module, name: str, platform: object, kind: type[SharedComponent], *parameters: Any
) -> Any:
    """Add ``kind(*parameters)`` to ``m`` as submodule ``name`` and return its interface.

    In simulation this is the component itself; during emission, signals bound to an instance of the
    shared module.
    """
    if isinstance(platform, Library):
        m.submodules[name], interface = platform.instance(name, kind, parameters)
        return interface
    m.submodules[name] = component = kind(*parameters)
    return component
