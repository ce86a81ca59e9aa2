"""How good descriptions are: significance, tables of scores, agreement, labels from outside."""
