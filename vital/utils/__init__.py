"""What every room needs and none owns: files, registries, options, hashing, random numbers, drawing, text."""
