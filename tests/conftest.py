"""Fixtures of all tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint

SHARED = Path(__file__).resolve().parents[2] / "shared" / "checkpoints"


@pytest.fixture
def gpt_oss(tmp_path: Path) -> Path:
    """A gpt-oss checkpoint with 40 inputs (no multiple of 32) and three experts."""
    return write_checkpoint(tmp_path / "gpt-oss", GPT_OSS, gpt_oss_tensors(GPT_OSS))


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """A tied Llama checkpoint in F32."""
    return write_checkpoint(tmp_path / "llama", LLAMA, llama_tensors(LLAMA))


@pytest.fixture(scope="session")
def shared_checkpoint() -> Callable[[str], Path]:
    """A checkpoint of the local collection, or a skip."""

    def find(name: str) -> Path:
        folder = SHARED / name
        if not folder.is_dir():
            pytest.skip(f"no local checkpoint {name}")
        return folder

    return find
