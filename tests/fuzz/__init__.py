"""Mutated and made-up mails against the way they come in: nothing is refused, nothing is lost, nothing breaks."""
