"""Running a bundle on the twin, and prompts that cannot be run."""

import io

import pytest
from chips import gpt_oss_chip

from hnlpu.chip_loading import chip_from_bundle
from hnlpu.errors import HnlpuError
from hnlpu.session import RunOptions, run
from hnlpu.sim.chip import ChipTwin


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return gpt_oss_chip(tmp_path_factory.mktemp("chip"))


def sim(bundle, stream=None, **options):
    return run(bundle, RunOptions(backend="sim", **options), stream=stream)


def test_greedy_tokens_are_the_largest_logits(bundle):
    tokens = [3, 7]
    twin = ChipTwin(chip_from_bundle(bundle))
    result = sim(bundle, tokens=tokens, n_new=4)
    for expected in result["tokens"]:
        twin.reset()
        assert twin.forward([tokens])[0, -1].argmax() == expected
        tokens = [*tokens, expected]
    assert result["prompt_tokens"] == [3, 7]
    assert result["text"] is None
    assert result["backend"] == "sim"


def test_tokens_appear_as_they_come(bundle):
    stream = io.StringIO()
    result = sim(bundle, stream, tokens=[1], n_new=3)
    assert stream.getvalue().split() == [str(token) for token in result["tokens"]]


def test_the_end_of_the_context_ends_a_run(bundle):
    assert len(sim(bundle, tokens=list(range(10)), n_new=50)["tokens"]) == 3


def test_seeds_matter_and_repeat(bundle):
    runs = [sim(bundle, tokens=[1], n_new=11, temperature=5.0, seed=s)["tokens"] for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": [1, 12]}, "outside the vocabulary"),
        ({"tokens": [-1]}, "outside the vocabulary"),
        ({"tokens": [0] * 13}, "longer than the context"),
        ({"tokens": []}, "empty"),
        ({}, "give one prompt"),
        ({"tokens": [1], "prompt": "x"}, "give one prompt"),
        ({"prompt": "x"}, "tokenizer"),
        ({"tokens": [1], "n_new": 0}, "-n"),
        ({"tokens": [1], "top_k": 9}, "--top-k"),
        ({"tokens": [1], "temperature": -1.0}, "temperature"),
        ({"tokens": [1], "seed": -1}, "--seed"),
    ],
)
def test_what_cannot_run_is_refused(bundle, options, message):
    with pytest.raises(HnlpuError, match=message):
        sim(bundle, **options)


def test_no_bundle(tmp_path):
    with pytest.raises(HnlpuError):
        sim(tmp_path, tokens=[1])
