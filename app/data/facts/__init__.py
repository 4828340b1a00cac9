"""Facts: named, typed values about a person, an item or the moment, each said once and read by conditions, templates and models."""
