"""Training of transducers of MLPerf's topology on connected words; needs the extra `train`."""
