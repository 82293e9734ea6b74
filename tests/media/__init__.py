"""Media that break one rule each, made by code, with the findings that a check must give."""
