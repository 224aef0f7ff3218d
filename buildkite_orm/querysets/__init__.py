"""Querysets: listings that load when they are used."""
