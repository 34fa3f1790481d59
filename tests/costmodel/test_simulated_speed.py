"""A simulated system in place of the speed rules: exact at the middle, ranges follow the inputs, kept in the cache."""

from pathlib import Path
from typing import Any

import pytest

from hnlpu import simulated_speed
from hnlpu.costmodel.estimate import estimate_from_dict
from hnlpu.costmodel.simulated_speed import RULES
from hnlpu.costmodel.speed import SYSTEM_RESULTS
from hnlpu.errors import HnlpuError
from hnlpu.estimation import EstimateOptions, estimate
from hnlpu.simulation import SimulateOptions, open_system

OPTIONS = EstimateOptions(
    throughput="simulated", grid="2x2", chips=4, workload="64,64,10", draws=20,
    settings=("vex_lanes=64", "vex_macs_per_cycle=256"),
)  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import json

    from systems import DENSE

    path = tmp_path_factory.mktemp("model") / "config.json"
    path.write_text(json.dumps({**DENSE, "intermediate_size": 512}), encoding="utf-8")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HNLPU_CACHE", str(tmp_path))
    return tmp_path / "systems"


def test_rules_replace_what_the_speed_rules_offer() -> None:
    assert {rule.name for rule in RULES} == set(SYSTEM_RESULTS)


def test_the_middle_is_the_simulated_system(config: Path, cache: Path) -> None:
    found = estimate(config, options=OPTIONS)
    system = open_system(
        config, options=SimulateOptions(grid="2x2", workload="64,64,10", settings=OPTIONS.settings)
    )
    result = system.run(96, 10)
    # the buffer of a small model is sized for its workload: that of the estimate
    assert found.figures["token_path_s"].mid == pytest.approx(result.path_s)
    assert found.figures["interval_limit"].mid == pytest.approx(1 / result.positions_per_s)
    assert found.inputs["simulated_interval_ratio"].tag == "derived"
    analytic = estimate(config, options=EstimateOptions(chips=4, workload="64,64,10", draws=20,
                                                        settings=OPTIONS.settings))  # fmt: skip
    assert analytic.figures["interval_limit"].mid != found.figures["interval_limit"].mid
    again = estimate_from_dict(found.as_dict())
    assert again.headline["tokens_per_s"] == found.headline["tokens_per_s"]


def test_a_system_is_simulated_once(
    config: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = estimate(config, options=OPTIONS)
    assert len(list(cache.iterdir())) == 1

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("simulated again")

    monkeypatch.setattr(simulated_speed, "measure", never)
    assert estimate(config, options=OPTIONS).headline == first.headline
    with pytest.raises(AssertionError, match="again"):
        estimate(
            config, options=EstimateOptions(**{**_fields(OPTIONS), "settings": ("vex_lanes=32",)})
        )
    next(cache.iterdir()).write_text("no JSON", encoding="utf-8")
    with pytest.raises(AssertionError, match="again"):
        estimate(config, options=OPTIONS)


def test_impossible_choices_are_refused(config: Path, cache: Path) -> None:
    for changed, what in (
        ({"throughput": "guessed"}, "unknown throughput"),
        ({"grid": "3x3"}, "does not fit"),
    ):
        with pytest.raises(HnlpuError, match=what):
            estimate(config, options=EstimateOptions(**{**_fields(OPTIONS), **changed}))


def _fields(options: EstimateOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.__dataclass_fields__}
