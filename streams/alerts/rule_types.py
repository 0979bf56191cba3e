"""What a rule is, before it is YAML, and how text gets into PromQL and templates without breaking out."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

__all__ = ["Alert", "Group", "Recording", "Severity", "figure", "page", "quoted"]

Severity = Literal["info", "warning", "critical"]
"""info: good to know; warning: look at it today; critical: narrawatch does not do its work, look now."""


class Recording(NamedTuple):
    """A series computed ahead. record: level:metric:operation."""

    record: str
    expr: str


class Alert(NamedTuple):
    """An alerting rule.

    expr: PromQL; what it returns is one alert a label set, so it must be aggregated to what identifies the
    alert, and `dropped` names further labels that only the texts may use. summary, description: templates of
    Prometheus; figures that change belong there and never into labels. link: a page about it, or none.
    """

    name: str
    expr: str
    for_seconds: int
    severity: Severity
    summary: str
    description: str
    link: str | None = None
    dropped: Sequence[str] = ()
    keep_firing_seconds: int = 0


class Group(NamedTuple):
    """Rules that are evaluated one after the other, and the name of their file without its ending."""

    name: str
    rules: Sequence[Recording | Alert]


def quoted(text: str) -> str:
    """A string literal of PromQL with this value."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in escaped) + '"'


def page(web_url: str, path: str) -> str:
    """The address of a page as a template. path: a template; the address itself is never one."""
    return f"{web_url.rstrip('/').replace('{', '%7B').replace('}', '%7D')}/{path}"


def figure(
    metric: str,
    labels: Sequence[str],
    *,
    and_where: str = "",
    form: str = "%.0f",
    summed_over: str | None = None,
    noun: str = "",
) -> str:
    """A template that looks a figure up when the alert is written; "?" where there is none.

    metric: of the table, not a recorded one, which may not be there yet when the alert is; labels: of the
    alert, by which it is found; and_where: further matchers; form: of a Go printf; summed_over: a label whose
    values are parts of the figure; noun: what is counted, which gets an s unless it is one. Of several
    workers the largest counts.
    """
    matchers = ",".join([f"{label}=%q" for label in labels] + ([and_where] if and_where else []))
    values = " ".join(f"$labels.{label}" for label in labels)
    series = f"{metric}{{{matchers}}}"
    query = f"max({series})" if summed_over is None else f"sum(max by ({summed_over}) ({series}))"
    shown = f"{{{{ . | first | value | printf `{form}` }}}}"
    one = f" {noun}{{{{ if ne (. | first | value) 1.0 }}}}s{{{{ end }}}}" if noun else ""
    none = f"? {noun}s" if noun else "?"
    return f"{{{{ with printf `{query}` {values} | query }}}}{shown}{one}{{{{ else }}}}{none}{{{{ end }}}}"
