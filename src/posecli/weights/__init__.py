"""Weights: reading TF.js checkpoints, converting them strictly, storing and finding converted ones."""
