"""Who is in which fold, how it is scored, and how sure one can be of it."""
