"""The scatter of the map, drawn by Bokeh; the page fills it and answers to the pointer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#b3a100",
    "#882255",
    "#44aa99",
    "#7f7f9c",
)
"""Okabe and Ito's colours for the colour-blind but black and yellow, and Tol's for more classes."""
OUTCOMES = ("#56b4e9", "#d55e00", "#9aa3b0")
"""Right, wrong, and neither."""
HOVER = """
const index = cb_data.index.indices[0];
window.featxMap.hover(index, cb_data.geometry.sx, cb_data.geometry.sy);
"""
TAP = """
const index = cb_obj.indices[0];
if (index !== undefined) window.featxMap.hover(index, 0, 0);
"""


@dataclass(frozen=True)
class Plot:
    """What a page needs of Bokeh: its JavaScript, an empty element, and the call that fills it."""

    library: str
    div: str
    script: str


def make_plot() -> Plot:
    """Return an empty scatter; its source is called ``points``, the figure ``map``.

    No name of a class or an image goes through Bokeh.
    """
    from bokeh.embed import components
    from bokeh.models import ColumnDataSource, CustomJS, HoverTool, LinearColorMapper, TapTool
    from bokeh.plotting import figure
    from bokeh.resources import Resources

    columns: dict[str, list[float]] = {n: [] for n in ("x", "y", "colour", "alpha", "size")}
    source = ColumnDataSource(columns, name="points")
    plot: Any = figure(
        name="map",
        output_backend="webgl",
        sizing_mode="stretch_both",
        tools="pan,wheel_zoom,box_zoom",
        active_scroll=None,
        toolbar_location="above",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        match_aspect=False,
    )
    plot.toolbar.logo = None
    plot.axis.visible = False
    plot.grid.visible = False
    palette = [*PALETTE, *OUTCOMES]
    mapper = LinearColorMapper(palette=palette, low=-0.5, high=len(palette) - 0.5)
    points = plot.scatter(
        "x",
        "y",
        source=source,
        size="size",
        fill_color={"field": "colour", "transform": mapper},
        fill_alpha="alpha",
        line_color=None,
    )
    points.nonselection_glyph = points.selection_glyph = None
    hover = HoverTool(renderers=[points], tooltips=None, callback=CustomJS(code=HOVER))
    plot.add_tools(hover, TapTool(renderers=[points], behavior="select"))
    source.selected.js_on_change("indices", CustomJS(code=TAP))
    script, div = components(plot, wrap_script=True)
    library = Resources(mode="inline", components=["bokeh", "bokeh-gl"]).render_js()
    return Plot(library, div, script)
