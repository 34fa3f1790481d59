"""``hnlpu reproduce``: output, exit codes, inputs."""

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import hnlpu.costmodel.reproduction
from hnlpu.cli import main
from hnlpu.costmodel.reproduction import paper_inputs
from hnlpu.reproduction import list_inputs, reproduce

PAGE = Path(__file__).parents[1] / "docs" / "reproduce.md"
FIELDS = ("id", "published", "computed", "rel_err", "tag", "verdict", "note")


def test_json(capsys):
    assert main(["reproduce", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result) == ["rows"] and result == reproduce()
    for row in result["rows"]:
        assert tuple(row)[: len(FIELDS)] == FIELDS
        if row["computed"] is not None:
            assert row["rel_err"] == pytest.approx(row["computed"] / row["published"] - 1)


def test_csv(capsys):
    assert main(["reproduce", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["id"] for row in rows] == [row["id"] for row in reproduce()["rows"]]
    by_id = {row["id"]: row for row in rows}
    assert float(by_id["T1.area"]["computed"]) == pytest.approx(827.08)
    assert by_id["P.tput"]["computed"] == ""
    assert "wafer_price" in by_id["S.629"]["inputs"].split()


def test_text_lists_every_row_and_every_contradiction(capsys):
    assert main(["reproduce"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    for row in reproduce()["rows"]:
        assert any(line.startswith(f"{row['id']} ") for line in lines), row["id"]
        if row["contradiction"]:
            assert f"  {row['id']}: {row['note']}" in text
    assert "-0.00 %" not in text and "FAILED" not in text


def test_set(capsys):
    assert main(["reproduce", "--json", "--set", "wafer_price=20000", "--set", "pue=1.2"]) == 0
    changed = {row["id"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    for row in reproduce()["rows"]:
        depends = {"wafer_price", "pue"} & set(row["inputs"])
        assert (changed[row["id"]]["computed"] != row["computed"]) == bool(depends), row["id"]


def test_inputs(capsys):
    assert main(["reproduce", "--inputs", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == list_inputs()
    assert {row["key"] for row in result["rows"]} == set(paper_inputs())
    assert all(row["moves"] and row["source"] and row["unit"] for row in result["rows"])
    assert main(["reproduce", "--inputs"]) == 0
    assert "USD/kWh" in capsys.readouterr().out
    assert main(["reproduce", "--inputs", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("key,value,")


def test_a_number_that_fails_exits_1(capsys, monkeypatch):
    inputs = paper_inputs()
    dear = replace(inputs["wafer_price"], low=20000.0, value=20000.0, high=20000.0)
    monkeypatch.setattr(
        hnlpu.costmodel.reproduction, "paper_inputs", lambda: {**inputs, "wafer_price": dear}
    )
    assert main(["reproduce"]) == 1
    assert "FAILED S.629: +17.76 %" in capsys.readouterr().out
    assert main(["reproduce", "--set", "pue=1.4"]) == 0  # a question, not a check


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--set", "wafer_prize=1"], "wafer_prize"),
        (["--set", "pue=-1"], "pue"),
        (["--json", "--csv"], "two kinds of output"),
        (["--inputs", "--set", "pue=1"], "nothing to set"),
    ],
)
def test_bad_input(arguments, word, capsys):
    assert main(["reproduce", *arguments]) == 2
    out, err = capsys.readouterr()
    assert word in (err or out) and (err or out).count("\n") == 1


def test_bad_input_as_json(capsys):
    assert main(["reproduce", "--json", "--set", "pue=x"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert set(error) == {"what", "where", "got", "do"}


def test_the_page_tells_what_the_program_does():
    text = PAGE.read_text(encoding="utf-8")
    rows = reproduce()["rows"]
    counted = {v: int(n) for n, v in re.findall(r"^\| (\d+) \| ([^|]+) \|", text, re.MULTILINE)}
    assert counted == Counter(row["verdict"] for row in rows)
    listed = re.findall(r"^\| ([A-Z]\w*\.\S+) \| ([^|]+) \|", text, re.MULTILINE)
    assert listed == [(row["id"], row["note"]) for row in rows if row["contradiction"]]
    assert f"{len(rows)} rows" in text and f"{len(list_inputs()['rows'])} inputs" in text
