"""How objects and listings are shown: in a terminal, in a notebook, on a page."""
