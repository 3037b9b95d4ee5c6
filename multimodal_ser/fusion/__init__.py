"""Probabilities in, probabilities out: frames to a clip, modalities to one."""
