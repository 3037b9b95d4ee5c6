"""Data sets and weights from the network, checked before they are used."""
