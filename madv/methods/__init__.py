"""The thirteen methods that the paper compares MADV-Net with."""
