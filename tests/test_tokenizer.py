"""Both kinds of tokenizer, text as it arrives, and bad files."""

import json
import sys
from itertools import pairwise

import pytest

from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.tokenizer import StreamDecoder, load_tokenizer

PIECES = [(" a", -1.0), ("ab", -2.0), (" ab", -3.0), ("bb", -0.5), (" ", -9.0), ("a", -9.0),
          ("b", -9.0), ("é", -9.0)]  # fmt: skip
FIRST = 259


def _vocabulary(folder, pieces=PIECES):
    entries = [("<unk>", 0.0), ("\n<s>\n", 0.0), ("\n</s>\n", 0.0)]
    entries += [(f"<0x{byte:02X}>", 0.0) for byte in range(256)] + list(pieces)
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
def scored(tmp_path):
    return load_tokenizer(_vocabulary(tmp_path))


def _pieces(ids):
    return [PIECES[token - FIRST][0] if token >= FIRST else token for token in ids]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [1]),
        ("ab", [1, " ab"]),  # " a" is better than "ab", and "ab" is then out of reach
        ("abb", [1, " a", "bb"]),
        ("bbb", [1, " ", "bb", "b"]),  # of two equal pairs the first
        ("é", [1, " ", "é"]),
        ("z", [1, " ", 3 + ord("z")]),
        ("\n€", [1, " ", 13, 3 + 0xE2, 3 + 0x82, 3 + 0xAC]),
        ("\ud800", [1, " ", 3 + ord("?")]),
    ],
)
def test_merges_by_score(scored, text, expected):
    assert _pieces(scored.encode(text)) == expected


def test_merges_as_llama2_c_does(scored):
    """The heap against the definition: search all pairs, merge the best, again and again."""
    words = [piece for piece, _ in PIECES]
    for number in range(400):
        text = "".join("ab b"[number >> (2 * i) & 3] for i in range(5))
        tokens = list(f" {text}")
        while True:
            found = [
                (dict(PIECES)[a + b], -i)
                for i, (a, b) in enumerate(pairwise(tokens))
                if a + b in words
            ]
            if not found:
                break
            place = -max(found)[1]
            tokens[place : place + 2] = ["".join(tokens[place : place + 2])]
        assert _pieces(scored.encode(text))[1:] == tokens


def test_scored_vocabulary_decodes(scored):
    for text in ("ab abb", "é€\n😀 a", ""):
        assert scored.decode(scored.encode(text)) == text
    a, b = FIRST, FIRST + 6
    assert scored.decode([a, b]) == " ab"  # the space goes after BOS only
    assert scored.decode([1, b, 2]) == "b"
    assert scored.decode([3 + 0xE2]) == "�"


@pytest.mark.parametrize("text", ["ab abb b", "é€\n😀 a", "\n"])
def test_text_as_it_arrives(scored, text):
    ids = scored.encode(text)
    stream = StreamDecoder(scored)
    parts = [stream.push(token) for token in ids]
    assert "".join(parts) + stream.finish() == text
    assert "�" not in "".join(parts)
    after = StreamDecoder(scored, ids[:2])
    rest = "".join(after.push(token) for token in ids[2:]) + after.finish()
    assert scored.decode(ids[:2]) + rest == text


def test_an_unfinished_character_is_told_at_the_end(scored):
    stream = StreamDecoder(scored)
    assert [stream.push(token) for token in (1, FIRST + 5, 3 + 0xE2)] == ["", "a", ""]
    assert stream.finish() == "�"


def test_json_tokenizer(shared_checkpoint):
    tokenizer = load_tokenizer(shared_checkpoint("adder2"))
    assert tokenizer.encode("\n37+45=82\n") == [0, 20, 24, 12, 21, 22, 30, 25, 19, 0]
    assert tokenizer.decode([0, 20, 24, 12]) == "\n37+"
    stream = StreamDecoder(tokenizer, [0, 20])
    assert [stream.push(token) for token in (24, 12, 0)] == ["7", "+", "\n"]


def test_a_story(shared_checkpoint):
    tokenizer = load_tokenizer(shared_checkpoint("stories260k"))
    text = "Once upon a time, there was a little girl named Lily."
    assert tokenizer.encode(text)[:8] == [1, 403, 407, 261, 378, 432, 383, 286]
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_boot_folder_of_a_bundle(tmp_path):
    _vocabulary(tmp_path / "boot")
    for folder in (tmp_path, tmp_path / "boot"):
        assert load_tokenizer(folder).encode("") == [1]


def test_no_tokenizer(tmp_path):
    with pytest.raises(HnlpuError, match="no tokenizer .*--tokens"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vocab.json", "{"),
        ("vocab.json", '{"a": 1}'),
        ("vocab.json", '[["a", 0]]'),
        ("tokenizer.json", "{}"),
        ("tokenizer.json", "no"),
    ],
)
def test_damaged_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(HnlpuError, match=f"{name}: not a tokenizer"):
        load_tokenizer(tmp_path)


def test_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingToolError, match="needs the package tokenizers"):
        load_tokenizer(tmp_path)
