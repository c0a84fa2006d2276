"""What holds for all tests: Hypothesis searches the same examples in each run, and never by the clock.

So what fails in CI fails at a desk, and a machine that is busy fails nothing. `make fuzz` searches without end.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "medrec", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("medrec")
