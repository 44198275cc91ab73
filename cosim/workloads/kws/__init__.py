"""Keyword spotting: audio front end, data sets, speech synthesiser, the network and its training."""
