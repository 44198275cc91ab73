"""Speaker verification with a recurrent network: audio front end, trials, equal error rate."""
