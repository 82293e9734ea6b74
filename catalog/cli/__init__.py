"""The command line: the only room that knows Typer and Rich, and that prints."""
