"""featx: frozen backbones over your images once, light heads on top in seconds."""
