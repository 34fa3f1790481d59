"""Does more bandwidth ever slow a system down? First come, first served gives no law that it does not.

python benchmarks/system_bandwidth.py [--trials 200]

Random bandwidths of stories260k on 2 x 2 chips, then twice as much of one resource; prints how often and how far the
rate fell, steady runs only.
"""

import argparse
from random import Random

from hnlpu.printing import show_line
from hnlpu.simulation import SimulateOptions, open_system
from hnlpu.system_needs import scaled

_FACTORS = (1 / 64, 1 / 16, 1 / 4, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    trials = parser.parse_args().trials
    system = open_system(model="stories260k", options=SimulateOptions(grid="2x2"))
    random, falls, steady = Random(0), [], 0
    for _ in range(trials):
        factors = {name: random.choice(_FACTORS) for name in ("link", "vex")}
        more = random.choice(tuple(factors))
        context, batch = random.randint(1, 500), random.randint(2, 30)
        before, after = (
            system.with_hardware(scaled(system.hardware, **chosen)).run(context, batch)
            for chosen in (factors, factors | {more: 2 * factors[more]})
        )
        if before.is_steady and after.is_steady:
            steady += 1
            if after.tokens_per_s < before.tokens_per_s:
                falls.append(1 - after.tokens_per_s / before.tokens_per_s)
    worst = f", by {max(falls):.2%} at most" if falls else ""
    show_line(
        f"{trials} trials, {steady} of them steady: {len(falls)} slower with more bandwidth{worst}"
    )


if __name__ == "__main__":
    main()
