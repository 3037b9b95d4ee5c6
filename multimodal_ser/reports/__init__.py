"""Pages about finished runs and predicted clips, each one file that needs nothing else."""
