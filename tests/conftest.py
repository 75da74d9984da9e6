"""Test settings: timing never decides, and PODCHAIN_LONG=1 runs many more examples."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

LONG = bool(os.environ.get("PODCHAIN_LONG"))

settings.register_profile(
    "podchain",
    deadline=None,
    max_examples=1000 if LONG else 50,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
#: Where a failure is expected, its smallest form is of no interest.
settings.register_profile("no shrinking", settings.get_profile("podchain"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("no shrinking" if os.environ.get("PODCHAIN_NO_SHRINKING") else "podchain")
