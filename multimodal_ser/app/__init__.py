"""The page in the browser: ``multimodal-ser app``."""
