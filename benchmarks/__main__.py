"""`python -m benchmarks` measures and writes `benchmarks/results/gradient.md`."""

from pathlib import Path

from . import gradient

if __name__ == "__main__":
    text = gradient.table()
    folder = Path(__file__).with_name("results")
    folder.mkdir(exist_ok=True)
    (folder / "gradient.md").write_text(text)
    print(text)
