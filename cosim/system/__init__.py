"""Long runs on chips: kept as they go, and gone on with."""
