"""Training of a shared-layer transformer from a pretrained one; needs the extra `train`."""
