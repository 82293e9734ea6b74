"""File-sets and their DICOMDIR: PS3.10 §8 and the Basic Directory IOD of PS3.3 Annex F.

The room is given bytes, streams and listings; it opens no file and knows no database.
"""
