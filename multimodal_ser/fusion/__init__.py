"""Probabilities in, probabilities out: frames to a clip, modalities to one.

* ``aggregate``: the frames of a clip to one row.
* ``calibration``: the temperature of one table, and whether to keep it.
* ``methods``: one file for each way to fuse that can be fitted and compared;
  ``fuser`` fits, applies, explains and describes them.
* ``sets``: sets of labels that hold the true one with a stated probability.
* ``nested``: the fused predictions of every fold, fitted on the others.
"""
