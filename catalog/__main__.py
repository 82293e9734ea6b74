"""`python -m catalog` is `dcat`."""

import gc
import sys


def run() -> None:
    """Run the command line of this process and end it."""
    # Modules and millions of small tuples hold no cycles: looking for some again and again is in vain.
    gc.set_threshold(100_000, 50, 50)
    try:
        from catalog.cli.main import run as run_the_command
    except KeyboardInterrupt:
        print("dcat: interrupted before anything was done.", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    run_the_command()


if __name__ == "__main__":
    run()
