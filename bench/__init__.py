"""Benchmarks. `make bench` runs `python -m bench`; every module says what its number means."""
