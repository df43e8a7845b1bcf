"""MADV-Net, its data, its losses and its training: the science, without the scheduling."""
