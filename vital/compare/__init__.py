"""Comparing methods with numbers: units by methods by seeds, with controls that say what each number is worth."""
