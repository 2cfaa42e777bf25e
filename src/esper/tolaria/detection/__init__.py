"""Numbers in, verdict out: whether a loss or a gradient says that training has broken."""
