"""The audio branch: sound in, one row of probabilities a clip out."""
