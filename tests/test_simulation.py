"""The verb ``simulate``: results, files, sweeps, needs, and what it says when something is wrong."""

import csv
import json
import sys
from pathlib import Path

import pytest
from systems import DENSE, EXPERTS

from hnlpu.cli import main
from hnlpu.costmodel.workload import Workload
from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.network_check import check_network, collective_checks
from hnlpu.simulation import SimulateOptions, System, cut, open_system, simulate
from hnlpu.system_figures import figure_14, paper_rates
from hnlpu.system_needs import RESOLUTION, find_needs, least_factor, scaled
from hnlpu.system_sweep import sweep


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # shapes whose bases are counted already
    shapes = {"hidden_size": 64, "intermediate_size": 256, "max_position_embeddings": 1 << 20}
    path = tmp_path_factory.mktemp("model") / "config.json"
    path.write_text(json.dumps({**DENSE, **shapes}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def system(config: Path) -> System:
    return open_system(config, options=SimulateOptions(grid="2x2"))


def call(*args: str | Path) -> int:
    return main(["simulate", *map(str, args), "-q"])


def test_json_has_stable_keys(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, "--grid", "2x2", "--context", "128", "--batch", "12", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found)[:3] == ["tokens_per_s", "latency_s", "bottleneck"]
    for key in ("stages", "resources", "links", "paper"):
        assert list(found[key]) == ["rows"]
    assert found["bottleneck"] in found["bounds"] and found["measured"]["steady"]
    assert len(found["stages"]["rows"]) == 14 and sum(found["breakdown"].values()) == pytest.approx(
        1
    )


def test_a_workload_is_served(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, "--grid", "2x2", "--workload", "30,10,4", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["positions_per_s"] == pytest.approx(4 * found["tokens_per_s"], rel=0.02)
    assert (found["measured"]["prompt_tokens"], found["measured"]["output_tokens"]) == (30, 10)


def test_the_default_workload_is_cut_to_the_slots(system: System) -> None:
    assert system.work.concurrency == 12 and "slots" in system.work.name
    assert open_system(model="gpt-oss-120b").work.concurrency == 216


def test_the_smallest_model_needs_no_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--model", "stories260k", "--grid", "1x1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["batch"] == 30 and {row["links"] for row in found["links"]["rows"]} == {0}


def test_exact_integers_on_links_take_more_bytes_and_less_in_pieces(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = {}
    for how in ("whole", "exact", "exact-pieces"):
        assert (
            call(config, "--grid", "2x2", "--workload", "8,8,4", "--collective", how, "--json") == 0
        )
        found = json.loads(capsys.readouterr().out)
        assert any("exact integers" in note for note in found["notes"]) == how.startswith("exact")
        moved[how] = found["links"]["rows"][0]["bytes_per_token"]
    assert moved["whole"] < moved["exact"] > moved["exact-pieces"]


def test_long_requests_are_cut_in_proportion() -> None:
    assert cut(Workload("w", 1024, 1024, 216, "x")) == (2, 2)
    assert cut(Workload("w", 65536, 1024, 16, "x")) == (64, 1)
    assert cut(Workload("w", 3, 2, 1, "x")) == (3, 2)


def test_sweep_writes_tables_and_charts(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = call(config, "--grid", "2x2", "--context", "512", "--batch", "12", "--sweep", "--contexts", "512,1K",
                "--batches", "1,12,500", "--workers", "2", "-o", out, "--trace", tmp_path / "t.json")  # fmt: skip
    assert code == 0
    names = {"system.json", "system.md", "stages.csv", "sweep.csv"} | {
        f"{name}.{kind}"
        for name in ("stages", "tokens-per-s", "latency", "figure-14")
        for kind in ("png", "svg")
    }
    assert {path.name for path in out.iterdir()} == names
    rows = list(csv.DictReader((out / "sweep.csv").open(encoding="utf-8")))
    points = [(int(row["context"]), int(row["batch"])) for row in rows]
    assert points == [(512, 1), (512, 12), (1024, 1), (1024, 12)]
    report = json.loads((out / "system.json").read_text(encoding="utf-8"))
    assert [row["tokens_per_s"] for row in report["sweep"]["rows"]] == [
        float(row["tokens_per_s"]) for row in rows
    ]
    assert "NO, within" not in (out / "system.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    assert call(config, "--grid", "2x2", "--context", "64", "--batch", "1", "-o", out) == 2


def test_a_sweep_is_the_same_points_one_by_one(system: System) -> None:
    found = sweep(system, [64, 512], [1, 12], workers=2)
    assert [item.as_row() for item in found] == [
        system.run(context, batch).as_row() for context in (64, 512) for batch in (1, 12)
    ]


def test_dask_gives_the_same(system: System) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp",
        host="127.0.0.1",
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address.removeprefix("tcp://")
        found = sweep(system, [64], [1, 12], executor=f"dask://{address}")
    assert [item.as_row() for item in found] == [
        system.run(64, batch).as_row() for batch in (1, 12)
    ]


def test_without_dask_the_extra_is_named(
    system: System,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingToolError, match=r"hnlpu\[dask\]"):
        sweep(system, [64], [1], executor="dask://127.0.0.1:1")
    code = call(config, "--grid", "2x2", "--context", "64", "--batch", "1", "--sweep",
                "--contexts", "64", "--batches", "1", "--executor", "dask://127.0.0.1:1", "--json")  # fmt: skip
    assert code == 3 and "hnlpu[dask]" in json.loads(capsys.readouterr().out)["error"]["do"]


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--grid", "3x3"], "a grid that does not fit the model"),
        (["--grid", "square"], "not a grid"),
        (["--batch", "13"], "more sequences than slots"),
        (["--workload", "8,8,13"], "more sequences than slots"),
        (["--context", "100000000"], "a context beyond the KV capacity"),
        (["--workload", "1000000,100000,1"], "a request longer than the model's context"),
        (["--set", "link_bandwidth=0"], "a link that moves nothing"),
        (["--set", "link_latency=0"], "words would arrive before they are sent"),
        (["--link-credits", "4"], "no credits"),
        (["--set", "link_width=3"], "no such input"),
        (["--collective", "ring"], "unknown collective"),
        (["--sweep", "--executor", "cloud"], "unknown executor"),
        (["--trace", "/nowhere/t.json"], "cannot write the trace"),
        (["--model", "gpt-oss-120b"], "name one model"),
        (["--node", "1nm"], "unknown node"),
    ],
)
def test_errors_are_one_line(
    config: Path, args: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ["--grid", "2x2", "--contexts", "64", "--batches", "1"]
    if "--workload" not in args:
        usual += ["--context", "64", "--batch", "1"]
    assert call(config, *usual, *args) == 2
    line = capsys.readouterr().err
    assert part in line and line.count("\n") == 1


def test_no_grid_of_the_paper_model_is_forgotten() -> None:
    with pytest.raises(HnlpuError, match="does not fit the model"):
        open_and_plan("5x5")
    assert len(open_and_plan("2x8").stages) == 218


def open_and_plan(grid: str):  # type: ignore[no-untyped-def]
    return open_system(model="gpt-oss-120b", options=SimulateOptions(grid=grid)).plan(2048, 1)


def test_bisection_finds_the_least_factor() -> None:
    found = least_factor(lambda factor: factor >= 3.3, 1 / 64, 64)
    assert found is not None and 3.3 <= found <= 3.3 * (1 + RESOLUTION)
    assert least_factor(lambda factor: False, 1, 64) is None
    assert least_factor(lambda factor: True, 1, 64) == 1


def test_what_is_needed_reaches_the_rate(system: System) -> None:
    target = 2 * system.run(512, 12).tokens_per_s
    need = find_needs(system, target, context=512, batch=12)
    assert need.hardware is not None and need.together is not None
    assert system.with_hardware(need.hardware).run(512, 12).tokens_per_s >= target
    assert need.as_dict()["needs"]["link_bytes_per_s"] > 0


def test_time_of_flight_is_needed_where_bandwidth_is_not_enough(system: System) -> None:
    ample = system.with_hardware(scaled(system.hardware, link=64, vex=64, buffer=64)).run(512, 12)
    need = find_needs(system, 1.5 * ample.tokens_per_s, context=512, batch=12)
    assert need.latency is not None and need.latency < 1 and need.ample_rate < need.target


def test_the_network_is_as_theory_says(system: System) -> None:
    assert all(check.ok for check in check_network(system, batches=30))
    assert len(collective_checks(system)) == 4


def test_the_paper_figures_are_those_published() -> None:
    shares = figure_14()
    assert shares[2048]["communication"] == pytest.approx(0.829)
    assert shares[524288]["stall"] == pytest.approx(0.107) and shares[262144]["stall"] == 0
    assert all(sum(parts.values()) == pytest.approx(1, abs=0.003) for parts in shares.values())
    assert paper_rates() == {"Table 2": 249_960, "cost of ownership": 2_000_000}


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    assert "hnlpu simulate --model gpt-oss-120b --grid 4x4" in capsys.readouterr().out


def test_experts_of_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    shapes = {"hidden_size": 64, "intermediate_size": 64}
    path.write_text(json.dumps({**EXPERTS, **shapes}), encoding="utf-8")
    result = simulate(path, options=SimulateOptions(grid="2x2", context=64, batch=2))
    assert result.tokens_per_s > 0 and any("experts" in note for note in result.plan.notes)
