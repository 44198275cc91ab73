"""Training of the keyword-spotting network, hardware-aware; needs the extra `train`."""
