"""One model run on one input: what it is given and fed, and everything that can be compared."""
