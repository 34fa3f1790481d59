"""The metal of an array as geometry: floorplan, masks, checks of them, and what a respin changes."""
