"""The methods that render units."""
