"""Whether every pinned package can still be had."""
