"""The parts of MADV-Net, one module a part."""
