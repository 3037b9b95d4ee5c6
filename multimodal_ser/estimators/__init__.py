"""What scikit-learn and Keras lack: classifiers, votes, and their files."""
