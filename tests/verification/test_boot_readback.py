"""The boot image read back, and what it finds."""

import pytest
from chips import gpt_oss_chip, llama_chip

from hnlpu.bundle import read_manifest
from hnlpu.verification.boot_readback import read_boot_image


@pytest.fixture(scope="module", params=[gpt_oss_chip, llama_chip], ids=["gpt-oss", "llama"])
def bundle(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("chip"))


def test_every_word_stands_for_a_constant(bundle):
    manifest = read_manifest(bundle)
    words, wrong = read_boot_image(bundle, manifest)
    assert (words, wrong) == (manifest["chip"]["boot_words"], 0)


def test_one_unit_off_is_found(bundle):
    path = bundle / "boot" / "image.hex"
    text = path.read_text()
    lines = text.splitlines()
    try:
        for i in range(0, len(lines), max(1, len(lines) // 150)):
            word = (int(lines[i][8:], 16) + 1) & 0xFFFFFFFF
            changed = [*lines[:i], f"{lines[i][:8]}{word:08x}", *lines[i + 1 :]]
            path.write_text("".join(f"{line}\n" for line in changed))
            assert read_boot_image(bundle, read_manifest(bundle))[1] >= 1, lines[i]
    finally:
        path.write_text(text)


def test_missing_and_extra_words_are_found(bundle):
    path = bundle / "boot" / "image.hex"
    text = path.read_text()
    try:
        path.write_text(text[: text.rindex("\n", 0, -1) + 1])
        assert read_boot_image(bundle, read_manifest(bundle))[1] == 1
        path.write_text(text + "03fffff000000001\n")
        assert read_boot_image(bundle, read_manifest(bundle))[1] == 1
    finally:
        path.write_text(text)


def test_without_a_chip_there_is_no_image(bundle):
    assert read_boot_image(bundle, {}) == (0, 0)
