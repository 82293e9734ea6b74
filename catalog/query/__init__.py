"""What a user asks for: selections as values, their text, and their meaning in memory.

The twin of `Selection.matches` in SQL is `catalog.database.select`; tests hold them together.
"""
