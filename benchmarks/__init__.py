"""Speed, measured as ratios inside one process: `python -m benchmarks`."""
