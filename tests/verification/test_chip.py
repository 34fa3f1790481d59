"""Whole chips on Verilator, and a check that can fail."""

import json

import numpy as np
import pytest
from chips import gpt_oss_chip, llama_chip

from hnlpu.errors import HnlpuError
from hnlpu.progress import Silent
from hnlpu.session import RunOptions, run
from hnlpu.verification.chip import check_chip, protocol_steps, sequence_steps
from hnlpu.verification.chip_run import ChipSimulation, idle, prompt, reset, write

pytestmark = pytest.mark.cosim


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HNLPU_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def stalled(cache, tmp_path_factory):
    """A gpt-oss chip of context 12 whose streams can pause."""
    return ChipSimulation(gpt_oss_chip(tmp_path_factory.mktemp("chip")), stalls=True, level=0)


def test_sequences_stalls_resets_full_context_and_protocol(stalled):
    steps = sequence_steps(12, 12, 4, 8, seed=1)
    steps += [reset(), prompt(range(12)), idle(), write(3, 0)]
    result = check_chip(stalled, [*steps, *protocol_steps(12)], Silent())
    assert result["mismatches"] == result["protocol_failures"] == 0
    assert result["first_mismatch"] is None
    assert result["sequences"] >= 6
    assert result["vectors"] == result["tokens"] > 20
    assert result["generated"] == 8
    assert len(result["protocol"]) == 18


def test_a_token_beyond_the_context_is_refused(stalled):
    refused = stalled.run([reset(), prompt([*range(12), 3])]).of("refused")
    assert [(event["place"], event["error"]) for event in refused] == [(12, "CONTEXT")]


def test_a_wrong_constant_is_found_and_named(stalled):
    window = next(w for w in stalled.chip["boot"] if w["block"] == "layer_0_v")
    address = f"{window['base'] + 5:08x}"
    image = (stalled.bundle / "boot" / "image.hex").read_text()
    word = next(line for line in image.splitlines() if line.startswith(address))
    wrong = f"{address}{int(word[8:], 16) ^ 64:08x}"
    steps = [reset(), prompt([1, 2, 3]), idle(), *protocol_steps(12)]
    result = check_chip(stalled, steps, Silent(), image=image.replace(word, wrong))
    assert result["mismatches"] > 0
    first = result["first_mismatch"]
    assert first["stream"] == "layer_0_v"
    assert (first["sequence"], first["position"], first["element"]) == (0, 0, 5)
    assert first["got"] == first["expected"] + (64 if int(word[8:], 16) & 64 == 0 else -64)


def test_a_hang_is_named(stalled):
    with pytest.raises(HnlpuError, match=r"no token comes; streams that wait") as error:
        stalled.run([reset(), prompt([1, 2], 3)], watchdog_cycles=40)
    assert "hangs" in str(error.value)


@pytest.mark.slow
def test_rtl_and_twin_run_alike(cache, tmp_path):
    bundle = llama_chip(tmp_path)
    for options in (
        {"n_new": 5},
        {"n_new": 20, "temperature": 1.5, "seed": 7},
        {"n_new": 4, "temperature": 0.9, "top_k": 3, "seed": 8, "trace": tmp_path},
    ):
        results = []
        for backend in ("rtl", "sim"):
            trace = {"trace": tmp_path / backend} if "trace" in options else {}
            chosen = RunOptions(tokens=[3, 1, 4], backend=backend, **(options | trace))
            results.append(run(bundle, chosen))
        assert results[0]["tokens"] == results[1]["tokens"]
        assert results[0]["cycles"] > 0
        assert len(results[0]["tokens"]) == min(options["n_new"], 10)
    traces = [np.load(tmp_path / backend / "trace.npz") for backend in ("rtl", "sim")]
    common = set(traces[0]) & set(traces[1])
    assert {"layer_1_swiglu", "layer_0_k_cache", "head_logits"} <= common
    for name in common:
        got = traces[0][name]
        assert np.array_equal(got, traces[1][name].reshape(got.shape)), name


def test_bench_writes_json_lines(stalled):
    events = stalled.run([reset(), prompt([4], 1)]).events
    assert [event["event"] for event in events] == ["booted", "reset", "prompted", "token", "done"]
    assert json.loads(json.dumps(events)) == events
