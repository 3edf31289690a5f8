"""References for the benchmarks, each with the least code for its part of the job."""
