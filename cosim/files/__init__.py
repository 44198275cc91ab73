"""Files: archives without pickle, text that appears whole or not at all, digests, pictures."""
