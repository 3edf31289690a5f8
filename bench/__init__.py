"""Benchmarks. `make bench` runs `python -m bench`; each module explains its figures."""
