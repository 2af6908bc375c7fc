"""The verbs of the product, written against ports alone."""
