"""Hydra groups: dataset, model, loss and train presets."""
