"""`python -m catalog` is `dcat`."""

from catalog.cli.main import run

if __name__ == "__main__":
    run()
