"""The pure core: no I/O, no clock, no unseeded randomness. Same inputs, same outputs."""
