"""The gallery: what a network sees in the pictures it knows: the nearest ones, and classes added and taken away."""

from fieldmark.gallery.adding import ClassAdded, add_class
from fieldmark.gallery.nearest_pictures import WHOLE, neighbours
from fieldmark.gallery.removing import ClassRemoved, remove_class

__all__ = ["WHOLE", "ClassAdded", "ClassRemoved", "add_class", "neighbours", "remove_class"]
