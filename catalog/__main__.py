"""`python -m catalog` is `dcat`."""

import gc


def run() -> None:
    """Run the command line of this process and end it."""
    # Modules and millions of small tuples hold no cycles: looking for some again and again is in vain.
    gc.set_threshold(100_000, 50, 50)
    from catalog.cli.main import run as run_the_command

    run_the_command()


if __name__ == "__main__":
    run()
