"""The limit: one engine on pixels already in memory. Prints images/s.

python benchmarks/engine_alone.py BACKBONE WEIGHTS PRECISION SECONDS [BATCH]
"""

from __future__ import annotations

import sys


def main() -> None:
    """Measure after a warm-up."""
    from featx.extractor.engines.batch_size import images_per_second
    from featx.extractor.plan import FeatureOptions, make_plan

    name, weights, precision, seconds = sys.argv[1:5]
    batch = int(sys.argv[5]) if len(sys.argv) > 5 else 16
    plan = make_plan(FeatureOptions(backbone=name, weights=weights, precision=precision))
    engine = plan.build_engine(batch)
    print(images_per_second(engine, plan.network.image_size, float(seconds)))


if __name__ == "__main__":
    main()
