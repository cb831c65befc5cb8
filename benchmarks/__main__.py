"""`python -m benchmarks` measures and writes the tables of `benchmarks/results/`."""

from pathlib import Path

from . import finite_volumes, gradient, location, particles, three

if __name__ == "__main__":
    folder = Path(__file__).with_name("results")
    folder.mkdir(exist_ok=True)
    for module in (gradient, finite_volumes, location, particles, three):
        text = module.table()
        (folder / f"{module.__name__.split('.')[-1]}.md").write_text(text)
        print(text)
