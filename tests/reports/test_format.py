from hnlpu.reports.format import count, number


def test_numbers_keep_their_digits() -> None:
    assert [number(x) for x in (0.0, 999.6, 9.999, 0.1, 1234567)] == [
        "0", "1,000", "10", "0.100", "1,230,000",
    ]  # fmt: skip
    assert number(249960, 6) == "249,960"
    assert number(float("nan")) == "n/a"
    assert count(78336) == "78,336"
