"""Speech recognition with Whisper: audio front end, greedy decoding, word errors, and where its matrices go."""
