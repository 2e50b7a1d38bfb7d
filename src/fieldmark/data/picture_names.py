"""What pictures are called."""

#: File name endings that are taken for pictures, in lower case, with the dot.
PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
