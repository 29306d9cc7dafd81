"""The course driver: what ./course runs. Python 3.11, standard library only."""
