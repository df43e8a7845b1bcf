"""Annotation files, recognised by their content and read into one record a clip, with every correction listed."""
