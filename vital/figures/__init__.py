"""Figures for papers: pictures, words, curves and graphs at the width of one or two columns, with text as text.

They take plain pictures, texts and numbers, and give figures of matplotlib (`vital.figures.paper`).
"""

from vital.figures.explanation import Place, explanation_figure, winners_shown
from vital.figures.graph import Node, circuit_figure
from vital.figures.paper import PALETTE, WIDTHS
from vital.figures.pictures import Shown, exemplars_figure, grid_figure, tiles_figure
from vital.figures.plots import PAGE, Panel, Series, cost_figure
from vital.figures.table import Word, words_figure

__all__ = [
    "PAGE",
    "PALETTE",
    "WIDTHS",
    "Node",
    "Panel",
    "Place",
    "Series",
    "Shown",
    "Word",
    "circuit_figure",
    "cost_figure",
    "exemplars_figure",
    "explanation_figure",
    "grid_figure",
    "tiles_figure",
    "winners_shown",
    "words_figure",
]
