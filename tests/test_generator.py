"""Bundles: what is written, that it is the same every time, and that a failure leaves nothing."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from bundles import contents, remembered_bases
from checkpoints import (
    GPT_OSS,
    LLAMA,
    gpt_oss_tensors,
    llama_tensors,
    on_grid,
    write_checkpoint,
)
from safetensors import safe_open
from slow import more
from wires import other_line, pins, with_pin

import hnlpu.generator
from hnlpu.bundle import new_folder
from hnlpu.checkpoint import open_checkpoint
from hnlpu.errors import HnlpuError
from hnlpu.generator import GenerateOptions, generate
from hnlpu.numerics import Numerics
from hnlpu.selection import BaseOptions
from hnlpu.verification.readback import readback

FAULTS = (
    "missing", "mismatches", "constant_mismatches", "image_mismatches", "base_cells_in_metal"
)  # fmt: skip
MXFP4 = GenerateOptions(quantize="mxfp4")


@pytest.fixture(autouse=True, scope="module")
def _remembered() -> Iterator[None]:
    with remembered_bases():
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Checkpoint and bundle, the bundle not to be changed."""
    folder = tmp_path_factory.mktemp("original")
    checkpoint = write_checkpoint(folder / "gpt-oss", GPT_OSS, gpt_oss_tensors(GPT_OSS))
    generate(checkpoint, folder / "bundle")
    return checkpoint, folder / "bundle"


def faults(bundle: Path, checkpoint: Path) -> int:
    result = readback(bundle, checkpoint)
    (bundle / "readback.json").unlink()
    # What is missing is weights, and pins beside them.
    assert result["weights"] <= result["expected"] <= result["weights"] + result["missing"]
    return sum(result[key] for key in FAULTS)


def bases_of(bundle: Path) -> dict[str, bytes]:
    return {n: data for n, data in contents(bundle).items() if n.startswith("rtl/base/")}


def spread_checkpoint(folder: Path, octaves: int) -> Path:
    """Row 3 of q_proj reaches over ``octaves`` + 1 exponents, every other row over one."""
    rng = np.random.default_rng(0)
    tensors = gpt_oss_tensors(GPT_OSS)
    for name, value in tensors.items():
        if name.endswith("_scales"):
            tensors[name] = np.full_like(value, 122)
        elif name.endswith("proj.weight") or name in ("lm_head.weight",) or "router.w" in name:
            signs = rng.choice([-1.0, 1.0], value.shape)
            tensors[name] = signs.astype(value.dtype)
    q = tensors["model.layers.0.self_attn.q_proj.weight"]
    q[3, 32:] = 2.0 ** (octaves + 3)
    return write_checkpoint(folder, GPT_OSS, tensors)


# --- what is in a bundle -------------------------------------------------------------------------


def test_readback_finds_every_weight(original):
    checkpoint, bundle = original
    assert faults(bundle, checkpoint) == 0


def test_two_processes_write_the_same_bytes(tmp_path, original):
    """Nothing remembered, another hash seed."""
    checkpoint, bundle = original
    code = f"import hnlpu; hnlpu.generate({str(checkpoint)!r}, {str(tmp_path / 'b')!r})"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "HNLPU_CACHE": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)
    assert contents(tmp_path / "b") == contents(bundle)


def test_digests_match(original):
    checkpoint, bundle = original
    manifest = json.loads((bundle / "manifest.json").read_text())
    found = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in contents(bundle).items()
        if name != "manifest.json"
    }
    assert manifest["files"] == found
    for name, value in manifest["checkpoint"]["files"].items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == value
    assert set(manifest["checkpoint"]["files"]) == {"config.json", "model.safetensors"}


def test_manifest_counts(original):
    checkpoint, bundle = original
    manifest = json.loads((bundle / "manifest.json").read_text())
    shape = open_checkpoint(checkpoint).shape
    totals = manifest["totals"]
    assert totals["weights"] == shape.n_hardwired_weights
    assert totals["matrices"] == len(manifest["matrices"]) == 12
    for entry in manifest["matrices"]:
        assert sum(entry["histogram"].values()) == entry["n_weights"]
        assert entry["histogram"].get("0", 0) == entry["n_zero"]
        assert 0 <= entry["padding_ratio"] < 1
        assert entry["requantised"] is None
    files = [bundle / line for line in (bundle / "filelist.f").read_text().splitlines()]
    assert sorted(files) == sorted((bundle / "rtl").rglob("*.v"))


def test_metal_has_wires_only(original):
    """A grammar of its own: the body is declarations, one instance, and ties."""
    body = re.compile(
        r"(  (input|output|wire) (\[\d+:0\] )?\w+;\n)+"
        r"  hn_base_\w+ base \(\n(    \.\w+\((\w+|\{[\w\[\], ]+\})\),?\n)+  \);\n"
        r"  assign row_exponents = \{(tie_(low|high)(, )?)+\};\nendmodule\n"
    )
    files = sorted((original[1] / "rtl" / "metal").iterdir())
    assert len(files) == 12
    for file in files:
        text = file.read_text()
        head, _, rest = text.partition(");\n")
        assert all(line.startswith("//") for line in head.splitlines()[:-1])
        assert re.fullmatch(r"module \w+\([\w, ]+", head.splitlines()[-1])
        assert body.fullmatch(rest), file.name
    assert not body.fullmatch(rest.replace("tie_low, ", "tie_low & ", 1))


def test_bases_hold_no_weight(tmp_path, original):
    """Other weights, biases and names of the same spread: not one byte of a base differs."""
    checkpoint, bundle = original
    tensors = gpt_oss_tensors(GPT_OSS)
    for name, value in tensors.items():  # sign bits: every spread stays
        if name.endswith("_blocks"):
            tensors[name] = value ^ 0x88
        elif not name.endswith("_scales"):
            tensors[name] = -value
    other = write_checkpoint(tmp_path / "other", GPT_OSS, tensors)
    generate(other, tmp_path / "b")
    assert bases_of(tmp_path / "b") == bases_of(bundle)
    ours, theirs = contents(bundle), contents(tmp_path / "b")
    assert ours["base.json"] == theirs["base.json"]
    metal = [name for name in ours if name.startswith("rtl/metal/")]
    assert all(ours[name] != theirs[name] for name in metal)
    assert faults(tmp_path / "b", other) == 0
    assert faults(tmp_path / "b", checkpoint) > 0


def test_bases_follow_from_shape_and_options_alone(tmp_path):
    """3 becomes 4 for every matrix, whether its rows need that or not."""
    options = GenerateOptions(base=BaseOptions(exponent_values=3))
    found = []
    for octaves in (0, 2):
        checkpoint = spread_checkpoint(tmp_path / f"c{octaves}", octaves)
        manifest = generate(checkpoint, tmp_path / f"b{octaves}", options)
        assert {base["exponent_values"] for base in manifest["bases"]} == {4}
        found.append(bases_of(tmp_path / f"b{octaves}"))
    assert found[0] == found[1]


def test_boot_constants_are_bit_equal(original):
    checkpoint, bundle = original
    source = open_checkpoint(checkpoint)
    with safe_open(bundle / "boot.safetensors", framework="np") as boot:
        names = set(boot.keys())
        for name in names:
            stored, held = source.read(name), boot.get_tensor(name)
            assert stored.dtype == held.dtype and stored.shape == held.shape
            assert stored.tobytes() == held.tobytes()
    assert "model.embed_tokens.weight" in names
    assert "model.layers.0.mlp.experts.gate_up_proj_bias" in names
    assert (bundle / "boot/config.json").read_bytes() == (checkpoint / "config.json").read_bytes()


def test_llama_with_odd_sizes_and_a_tied_head(tmp_path, llama):
    manifest = generate(llama, tmp_path / "b", MXFP4)
    sizes = {(base["n_rows"], base["n_columns"]) for base in manifest["bases"]}
    assert sizes == {(12, 12), (4, 12), (34, 12), (12, 34), (10, 12)}
    assert all(entry["requantised"]["relative_rmse"] > 0 for entry in manifest["matrices"])
    assert faults(tmp_path / "b", llama) == 0
    boot = {entry["name"] for entry in manifest["constants"]}
    assert "model.embed_tokens.weight" in boot


def test_off_fabric_tensors_have_a_reason(tmp_path):
    tensors = {**gpt_oss_tensors(GPT_OSS), "model.extra": np.zeros(3, np.float32)}
    checkpoint = write_checkpoint(tmp_path / "c", GPT_OSS, tensors)
    manifest = generate(checkpoint, tmp_path / "b")
    (entry,) = manifest["off_fabric"]
    assert (entry["tensor"], entry["shape"]) == ("model.extra", [3])
    assert "not part of the" in entry["reason"]
    assert faults(tmp_path / "b", checkpoint) == 0


def with_fault(text: str, fault: str) -> str:
    """One pin of row 0 changed: a tap, or a constant stub taken off its line."""
    drivers = pins(text, 0)
    kind = "constants" if fault == "constant" else "lines"
    pin = next(i for i, driver in enumerate(drivers) if driver.startswith(kind))
    if fault == "constant":
        return with_pin(text, 0, pin, "tie_low")
    return with_pin(text, 0, pin, other_line(drivers[pin], negate=fault == "sign"))


@pytest.mark.parametrize(
    "fault, expected",
    [
        ("tap", 1),
        ("sign", 2),  # a wrong weight, and a constant that is not that of the wrong weights
        ("constant", 1),
        ("boot", 2),  # the constant itself, and its words in the boot image
        ("reference", 1),
        ("other checkpoint", 1),
    ],
)
def test_readback_sees_a_fault(tmp_path, original, fault, expected):
    checkpoint, bundle = original
    for name, data in contents(bundle).items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(data)
    bundle = tmp_path / "b"
    if fault in ("tap", "sign", "constant"):
        path = bundle / "rtl/metal/lm_head.v"
        path.write_text(with_fault(path.read_text(), fault))
    elif fault == "other checkpoint":
        tensors = gpt_oss_tensors(GPT_OSS)
        tensors["model.norm.weight"] = -tensors["model.norm.weight"]
        checkpoint = write_checkpoint(tmp_path / "c", GPT_OSS, tensors)
    else:
        path = bundle / f"{fault}.safetensors"
        data = bytearray(path.read_bytes())
        first = 8 + int.from_bytes(data[:8], "little")  # behind the header
        data[first + 3] ^= 0x40
        path.write_bytes(data)
    assert faults(bundle, checkpoint) == expected


# --- options -------------------------------------------------------------------------------------


def test_a_given_base_is_used_unchanged(tmp_path):
    wide = spread_checkpoint(tmp_path / "wide", 3)
    narrow = spread_checkpoint(tmp_path / "narrow", 0)
    generate(wide, tmp_path / "a")
    manifest = generate(narrow, tmp_path / "b", base=tmp_path / "a")
    assert bases_of(tmp_path / "b") == bases_of(tmp_path / "a")
    own = generate(narrow, tmp_path / "c")
    assert max(base["exponent_values"] for base in own["bases"]) == 1
    assert max(base["exponent_values"] for base in manifest["bases"]) == 4
    assert faults(tmp_path / "b", narrow) == 0


def test_a_row_that_does_not_fit_the_given_base_is_named(tmp_path):
    wide = spread_checkpoint(tmp_path / "wide", 3)
    narrow = spread_checkpoint(tmp_path / "narrow", 0)
    generate(narrow, tmp_path / "a")
    with pytest.raises(HnlpuError, match="4 exponent values for 1") as caught:
        generate(wide, tmp_path / "b", base=tmp_path / "a")
    assert "self_attn.q_proj: row 3" in caught.value.where
    assert not (tmp_path / "b").exists()
    # The message offers --requantize, and it helps.
    options = GenerateOptions(requantize=True)
    manifest = generate(wide, tmp_path / "b", options, base=tmp_path / "a")
    assert bases_of(tmp_path / "b") == bases_of(tmp_path / "a")
    changed = [entry["name"] for entry in manifest["matrices"] if entry["requantised"]]
    assert changed == ["model.layers.0.self_attn.q_proj"]
    assert faults(tmp_path / "b", wide) == 0


def test_a_base_of_another_shape_or_no_base(tmp_path, original, llama):
    with pytest.raises(HnlpuError, match="no array of this shape"):
        generate(llama, tmp_path / "b", MXFP4, base=original[1])
    with pytest.raises(HnlpuError, match="not a bundle with bases"):
        generate(original[0], tmp_path / "b", base=tmp_path / "none")
    assert not (tmp_path / "b").exists()


def test_a_tampered_base_is_refused(tmp_path):
    checkpoint = spread_checkpoint(tmp_path / "c", 0)
    generate(checkpoint, tmp_path / "a")
    victim = next((tmp_path / "a" / "rtl" / "base").glob("hn_accumulator_*"))
    text = victim.read_text()
    assert " ^ sign" in text
    victim.write_text(text.replace(" ^ sign", "", 1))
    with pytest.raises(HnlpuError, match="not what this version builds") as caught:
        generate(checkpoint, tmp_path / "b", base=tmp_path / "a")
    assert victim.name in caught.value.where


def test_exponent_values(tmp_path):
    checkpoint = spread_checkpoint(tmp_path / "c", 3)
    with pytest.raises(HnlpuError, match="4 exponent values for 1") as caught:
        generate(checkpoint, tmp_path / "b", GenerateOptions(base=BaseOptions(exponent_values=1)))
    assert "q_proj: row 3" in caught.value.where
    assert "--exponent-values 4" in caught.value.do
    generate(checkpoint, tmp_path / "b", GenerateOptions(base=BaseOptions(exponent_values=4)))
    options = GenerateOptions(base=BaseOptions(exponent_values=1), requantize=True)
    manifest = generate(checkpoint, tmp_path / "b", options, force=True)
    assert {base["exponent_values"] for base in manifest["bases"]} == {1}
    errors = {e["name"]: e["requantised"] for e in manifest["matrices"] if e["requantised"]}
    assert list(errors) == ["model.layers.0.self_attn.q_proj"]
    assert manifest["totals"]["requantised_matrices"] == 1
    assert faults(tmp_path / "b", checkpoint) == 0


def test_activation_bits_stand_in_the_numerics():
    with pytest.raises(HnlpuError, match="numerics"):
        GenerateOptions(base=BaseOptions(activation_bits=7))
    numerics = Numerics(activation_bits=7)
    assert GenerateOptions(base=BaseOptions(activation_bits=7), numerics=numerics).context is None


@pytest.mark.parametrize(
    "options",
    [
        GenerateOptions(base=BaseOptions(exponent_values=0)),
        GenerateOptions(base=BaseOptions(exponent_values=65), requantize=True),
        GenerateOptions(base=BaseOptions(exponent_values=-1), requantize=True),
        GenerateOptions(base=BaseOptions(phases=0)),
        GenerateOptions(base=BaseOptions(phases=-1)),
        GenerateOptions(base=BaseOptions(phases=33)),
        GenerateOptions(context=0),
        GenerateOptions(context=100_000),
        GenerateOptions(base=BaseOptions(cuts=-1)),
        GenerateOptions(base=BaseOptions(adder=26)),
        GenerateOptions(base=BaseOptions(arch="magic")),
        GenerateOptions(quantize="nonsense"),
    ],
    ids=str,
)
def test_bad_options(tmp_path, original, options):
    with pytest.raises(HnlpuError):
        generate(original[0], tmp_path / "b", options)
    assert os.listdir(tmp_path) == []


def test_widths_and_phases(tmp_path, llama):
    numerics = Numerics(activation_bits=4, activation_overrides=(("down", 5),))
    options = GenerateOptions("mxfp4", BaseOptions(phases=1), numerics=numerics)
    manifest = generate(llama, tmp_path / "b", options)
    assert {base["activation_bits"] for base in manifest["bases"]} == {4, 5}
    plans = {base["name"]: base for base in manifest["bases"]}
    wide = {e["role"] for e in manifest["matrices"] if plans[e["base"]]["activation_bits"] == 5}
    assert wide == {"down"}
    assert {base["phases"] for base in manifest["bases"]} == {1}
    assert {base["interval_cycles"] for base in manifest["bases"]} == {8, 9}
    assert faults(tmp_path / "b", llama) == 0


def test_cuts_and_adder(tmp_path, llama):
    options = GenerateOptions("mxfp4", BaseOptions(phases=1, cuts=2, adder=28))
    manifest = generate(llama, tmp_path / "b", options)
    for base in manifest["bases"]:
        assert (base["parameters"]["cuts"], base["parameters"]["adder"]) == (2, 28)
        # A row of 34 inputs that has block exponents is two superblocks: room for one cut.
        late = 1 if base["n_columns"] == 34 and base["exponent_values"] > 1 else 3
        assert base["latency_cycles"] == base["interval_cycles"] + late
    assert manifest["options"]["base"] == asdict(options.base)
    assert faults(tmp_path / "b", llama) == 0
    again = generate(llama, tmp_path / "c", MXFP4, base=tmp_path / "b")  # of the bundle, not of now
    assert again["bases"] == manifest["bases"]
    assert bases_of(tmp_path / "c") == bases_of(tmp_path / "b")


def test_short_rows_use_fewer_phases(tmp_path, llama):
    """No more than inputs, or than blocks where rows have block exponents."""
    manifest = generate(llama, tmp_path / "b", GenerateOptions("mxfp4", BaseOptions(phases=16)))
    for base in manifest["bases"]:
        n_blocks = -(-base["n_columns"] // 32)
        most = n_blocks if base["exponent_values"] > 1 else base["n_columns"]
        assert base["phases"] == min(16, most)


def test_weights_off_the_grid_are_listed(tmp_path):
    tensors = gpt_oss_tensors(GPT_OSS)
    for role in "qv":
        tensors[f"model.layers.0.self_attn.{role}_proj.weight"][0, 0] = 1.015625
    checkpoint = write_checkpoint(tmp_path / "c", GPT_OSS, tensors)
    with pytest.raises(HnlpuError, match="not on the MXFP4 grid") as caught:
        generate(checkpoint, tmp_path / "b")
    assert caught.value.got == (
        "2 matrices: model.layers.0.self_attn.q_proj (BF16), model.layers.0.self_attn.v_proj (BF16)"
    )
    assert os.listdir(tmp_path) == ["c"]
    manifest = generate(checkpoint, tmp_path / "b", MXFP4)
    changed = [entry["name"] for entry in manifest["matrices"] if entry["requantised"]]
    assert len(changed) == 2
    assert faults(tmp_path / "b", checkpoint) == 0


def test_weights_63_octaves_apart_are_kept(tmp_path):
    """Beyond 64-bit integers too: the reference is written from numbers."""
    checkpoint = spread_checkpoint(tmp_path / "c", 63)
    manifest = generate(checkpoint, tmp_path / "b")
    assert max(entry["exponent_spread"] for entry in manifest["matrices"]) == 63
    assert faults(tmp_path / "b", checkpoint) == 0


# --- folders -------------------------------------------------------------------------------------


def test_output_must_be_empty_or_forced(tmp_path, original):
    checkpoint, bundle = original
    out = tmp_path / "out"
    out.mkdir()
    generate(checkpoint, out)  # an empty folder will do
    (out / "mine.txt").write_text("mine")
    before = contents(out)
    with pytest.raises(HnlpuError, match="--force"):
        generate(checkpoint, out)
    assert contents(out) == before
    generate(checkpoint, out, force=True)
    assert contents(out) == contents(bundle)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HnlpuError, match="got a file"):
        generate(checkpoint, tmp_path / "file")
    generate(checkpoint, tmp_path / "file", force=True)
    assert contents(tmp_path / "file") == contents(bundle)
    assert sorted(os.listdir(tmp_path)) == ["file", "out"]


@pytest.mark.parametrize(
    "place", ["base_modules", "metal_module", "_write_boot", "write_json", "save_file"]
)
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")], ids=repr
)
def test_a_failure_leaves_nothing(tmp_path, original, monkeypatch, place, force, error):
    def fail(*_, **__):
        raise error

    out = tmp_path / "out"
    if force:
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    monkeypatch.setattr(hnlpu.generator, place, fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else HnlpuError
    with pytest.raises(expected) as caught:
        generate(original[0], out, force=force)
    if expected is HnlpuError:
        assert caught.value.got == "No space left on device"
        assert caught.value.where == str(out)
    assert os.listdir(tmp_path) == (["out"] if force else [])
    if force:
        assert contents(out) == {"mine.txt": b"mine"}


def test_a_failed_rename_keeps_what_was_there(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if Path(target).name == "out" and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(HnlpuError, match="Input/output"), new_folder(out, force=True) as folder:
        (folder / "new.txt").write_text("new")
    assert contents(out) == {"mine.txt": b"mine"}
    assert os.listdir(tmp_path) == ["out"]


def test_the_current_folder_can_be_replaced(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    with new_folder(Path("."), force=False) as folder:
        (folder / "new.txt").write_text("new")
    assert contents(out) == {"new.txt": b"new"}
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_cannot_be_made(tmp_path, original):
    (tmp_path / "file").write_text("")
    with pytest.raises(HnlpuError, match="cannot write the output"):
        generate(original[0], tmp_path / "file" / "out")


# --- the local collection ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adder_mini", "adder2", *more("stories260k")])
def test_local_checkpoints(tmp_path, shared_checkpoint, name):
    checkpoint = shared_checkpoint(name)
    manifest = generate(checkpoint, tmp_path / "b", MXFP4)
    assert faults(tmp_path / "b", checkpoint) == 0
    assert manifest["totals"]["weights"] == open_checkpoint(checkpoint).shape.n_hardwired_weights


def test_the_helpers_make_what_they_say():
    """Builders of this file: on the grid is on the grid, and llama's weights are not."""
    rng = np.random.default_rng(0)
    values = on_grid(rng, (4, 40)).astype(np.float64)
    assert np.array_equal(values * 2**6, np.round(values * 2**6))
    assert llama_tensors(LLAMA)["model.layers.0.mlp.up_proj.weight"].dtype == np.float32
