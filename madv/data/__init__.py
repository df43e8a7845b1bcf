"""Data sets as clips: readers, the synthetic generator, the clip cache and the folds."""
