"""The demo: the main job on real images. Run it with `make demo`."""
