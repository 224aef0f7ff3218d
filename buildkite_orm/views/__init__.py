"""Views of objects: tables, timelines and the history of a pipeline."""
