"""Whether every pinned package can still be had, asked of the package archives themselves; nothing is built."""
