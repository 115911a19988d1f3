"""Makes Grafana's JSON of the dashboard.

    .venv/bin/python -m infra.grafana.build

Grafana finds the file through `provisioning/`; a test fails when making it anew changes anything.
"""

from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos, Threshold, ThresholdsMode

from infra.grafana.panels import ROWS, Panel

TARGET: Final = Path(__file__).with_name("dashboards") / "darkroom.json"
#: As provisioning/datasources/prometheus.yaml names it.
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="darkroom-prometheus")
#: Grafana's grid is 24 wide.
_WIDTH: Final = 24
_BIG: Final = (4, 4)
_PICTURE: Final = (8, 8)


def build() -> str:
    """The dashboard as JSON, with a line feed at its end."""
    made = (
        dashboard.Dashboard("Darkroom")
        .uid("darkroom")
        .description("The way of the images: uploads, work, results, streams.")
        .tags(["darkroom"])
        .editable()
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
    )
    top, number = 0, 1
    for title, panels in ROWS.items():
        made = made.with_row(dashboard.Row(title).id(number).grid_pos(GridPos(h=1, w=_WIDTH, x=0, y=top)))
        top, number, left, height = top + 1, number + 1, 0, 0
        for panel in panels:
            width, height = _BIG if panel.big else _PICTURE
            if left + width > _WIDTH:
                top, left = top + height, 0
            place = GridPos(h=height, w=width, x=left, y=top)
            made = made.with_panel(_picture(panel).id(number).grid_pos(place))
            left, number = left + width, number + 1
        top += height
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _picture(panel: Panel) -> stat.Panel | timeseries.Panel:
    made = _number(panel) if panel.big else _lines()
    made = made.title(panel.title).description(panel.what).unit(panel.unit).datasource(SOURCE).min(0)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter).datasource(SOURCE)
        made = made.with_target(target.instant() if panel.big else target.range())
    return made


def _number(panel: Panel) -> stat.Panel:
    steps = [Threshold(value=None, color="green")]
    if panel.bad is not None:
        steps.append(Threshold(value=panel.bad, color="red"))
    levels = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return stat.Panel().thresholds(levels).color_mode(BigValueColorMode.VALUE)


def _lines() -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    shown = legend.show_legend(True)  # noqa: FBT003 - the builder's own signature
    return timeseries.Panel().legend(shown).fill_opacity(10).line_width(1)


if __name__ == "__main__":
    TARGET.write_text(build())
