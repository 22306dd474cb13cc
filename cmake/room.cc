// Gives rooms that are headers only something to archive.
