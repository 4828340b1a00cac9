"""The sub-commands of `morsel`, one file a subject; each is a thin call."""
