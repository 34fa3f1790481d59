"""The process that runs a built chip: ``python -m hnlpu.verification.chip_process BUILD FOLDER``."""

import sys

from cocotb_tools.runner import get_runner

from hnlpu.verification.chip_harness import HARNESS

__all__ = ["main"]


def main(build: str, folder: str) -> None:
    """Run the bench on the build; the job, its events and its trace are in ``folder``."""
    get_runner("verilator").test(
        test_module="hnlpu.verification.chip_bench",
        hdl_toplevel=HARNESS,
        hdl_toplevel_lang="verilog",
        build_dir=build,
        test_dir=folder,
        plusargs=[f"+script={folder}/script.hex", f"+trace={folder}/trace.txt"],
        extra_env={"HNLPU_JOB": folder, "COCOTB_LOG_LEVEL": "WARNING"},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
