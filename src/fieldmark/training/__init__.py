"""Training: the only importer of Lightning Fabric."""
