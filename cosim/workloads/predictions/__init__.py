"""Time and energy of the papers' systems, predicted from their mappings, beside what the papers print."""
