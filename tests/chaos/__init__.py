"""A storm over the real product: see `tests.chaos.driver`."""
