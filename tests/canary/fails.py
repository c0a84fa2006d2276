"""A suite with this must turn red."""


def test_canary() -> None:
    raise AssertionError("the canary fails, as it should")
