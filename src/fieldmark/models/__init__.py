"""Networks: backbones, parts, heads, the recogniser that joins them, and the bundle that keeps them."""
