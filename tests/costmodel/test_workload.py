from pathlib import Path

import pytest

from hnlpu.costmodel.workload import load_workloads, parse_workload
from hnlpu.errors import HnlpuError


def test_named_and_given_workloads() -> None:
    full = parse_workload("full")
    assert (full.prompt_tokens, full.output_tokens, full.concurrency) == (1024, 1024, 216)
    assert full.context == 2048
    own = parse_workload("8,16,2")
    assert (own.prompt_tokens, own.output_tokens, own.concurrency) == (8, 16, 2)
    assert own.inputs()["concurrency"].value == 2


@pytest.mark.parametrize("text", ["", "chat", "1,2", "1,2,3,4", "1,2,0", "a,b,c", "-1,2,3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(HnlpuError, match="full, serving"):
        parse_workload(text)


def test_a_bad_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "workloads.toml"
    path.write_text('[x]\nprompt_tokens = 0\noutput_tokens = 1\nconcurrency = 1\nsource = "x"\n')
    with pytest.raises(HnlpuError, match=r"x\.prompt_tokens"):
        load_workloads(path)
