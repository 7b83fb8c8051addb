"""report.html: the sections in order, each a function of the report; plotly's script once, in the head."""

from html import escape
from importlib.resources import files
from string import Template

from plotly.offline import get_plotlyjs

from leyden.report import charge_sections, figures, tables
from leyden.report.composition import NAME, without_composition
from leyden.report.content import FarRange, Report
from leyden.report.parts import figure, notes, say
from leyden.report.style import legend
from leyden.report.summary import config_types, error_rows
from leyden.report.text import ENERGY_KEYS, label, number, plural
from leyden.report.verdict import verdict
from leyden.train.metrics import Evaluation, Parity


def page(report: Report) -> str:
    """The whole page."""
    solved = report.evaluation.solved
    sections = [
        ("verdict", "Verdict", _verdict(report)),
        ("learning-curves", "Learning curves", _learning(report)),
        ("parity", "Parity", _parity(report)),
        ("energy-split", "Short- and long-range energy", _energy_split(report)),
        ("charges", "Charges", charge_sections.charges(report)),
        *([("solver", "Solver", charge_sections.solver(solved, report.evaluation))] if solved else []),
        ("far-range", "Far-range probe", _far_range(report)),
        ("checks", "Physics checks", _checks(report)),
        ("provenance", "Provenance", _provenance(report)),
    ]
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name, _ in sections)
    body = "".join(f'<section id="{key}">\n<h2>{name}</h2>\n{content}\n</section>\n' for key, name, content in sections)
    evaluation = report.evaluation
    sizes = f"{plural(len(evaluation.atoms), 'test frame')}, {plural(int(evaluation.atoms.sum()), 'atom')} in all"
    header = f"<header><div><h1>{escape(report.title)}</h1><p>Leyden report · {sizes}</p></div></header>\n"
    return Template(files("leyden.report").joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(report.title),
        plotly=get_plotlyjs(),
        body=f"{header}<nav><div>{links}</div></nav>\n<main>\n{body}</main>",
    )


def _verdict(report: Report) -> str:
    items = "".join(
        f"<li>{tables.badge(line.status).markup}<span>{escape(line.text)}</span></li>\n" for line in verdict(report)
    )
    return f'<ul class="verdict">\n{items}</ul>'


def _learning(report: Report) -> str:
    curve = report.curve
    if curve is None:
        return say("No learning curve was given.")
    panels = "".join(figure(figures.learning(panel, curve, report.baseline_curve)) for panel in figures.LEARNING)
    return f'<div class="pair">{panels}</div>' if panels else say("The learning curve holds no known column.")


def _legend(report: Report) -> str:
    """Colours of the configuration types, once for all figures of a section."""
    colours = legend(config_types(report.evaluation)).items()
    chips = "".join(f'<span><i style="background:{colour}"></i>{escape(kind)}</span>' for kind, colour in colours)
    return f'<div class="legend">{chips}</div>\n' if chips else ""


def _parity(report: Report) -> str:
    evaluation = report.evaluation
    if not evaluation.parities:
        return say("No labelled property was given.")
    plots = "".join(_parity_plot(name, data, evaluation) for name, data in evaluation.parities.items())
    types = tables.by_type(report) if len(set(evaluation.config_type)) > 1 else ""
    left_out = "".join(
        say(
            f"{label(name)}: {row.unlabelled} values have no reference and {row.failed} no finite prediction; left out."
        )
        for name, row in error_rows(evaluation).items()
        if row.unlabelled or row.failed
    )
    grid = f'<div class="grid">{plots}</div>\n'
    return _legend(report) + grid + tables.errors(report) + left_out + types + notes(evaluation.notes)


def _parity_plot(name: str, data: Parity, evaluation: Evaluation) -> str:
    """One parity plot; of the energy with the composition removed, where that can be done."""
    bare = without_composition(evaluation) if name in ENERGY_KEYS else None
    if bare is None:
        return figure(figures.parity(name, data, evaluation), label(name), figures.parity_caption(data))
    caption = f"{figures.parity_caption(bare)} A fit of the reference to the composition is subtracted from both."
    return figure(figures.parity(name, bare, evaluation), label(NAME), caption)


def _energy_split(report: Report) -> str:
    evaluation = report.evaluation
    if not evaluation.energy_long.any():
        return say("The long-range energy of this model is zero in every frame.")
    text = (
        "The energy, without the reference energies of the atoms, is the sum of a short-range part, which the"
        " surroundings within the cutoff determine, and a long-range part, the energy of the charges."
    )
    plot = figure(figures.energy_split(evaluation), caption="One point a frame.")
    return say(text) + _legend(report) + f'<div class="pair">{plot}<div>{tables.energy_split(report)}</div></div>'


def _far_range(report: Report) -> str:
    if not report.far_range:
        return say("No far-range probe was given.")
    return "".join(_probe(probe) for probe in report.far_range)


def _probe(probe: FarRange) -> str:
    caption = f"Energies relative to the {probe.zero}; separation between the centres of charge."
    energy = figure(figures.far_range(probe), "Energy", caption)
    error = figure(figures.far_range_error(probe), "Error", "Model minus reference, both relative to the same zero.")
    values = f"<details><summary>All {len(probe.separation)} separations</summary>{tables.far_range(probe)}</details>"
    plots = f'<div class="pair">{energy}{error}</div>'
    return f"<h3>{escape(probe.label)}</h3>\n{plots}\n{tables.far_range_tails(probe)}{values}"


def _checks(report: Report) -> str:
    if not report.checks:
        return say("No physics checks were run.")
    text = "Each value should be zero; a check that does not apply to the structures at hand is not in the list."
    return say(text) + tables.checks(report)


def _provenance(report: Report) -> str:
    source = report.provenance
    pairs = {"Command": source.command} | {f"Data: {name}": value for name, value in source.data_hash.items()}
    pairs |= source.versions | {f"Time: {what}": f"{number(seconds)} s" for what, seconds in source.timings.items()}
    pairs["Time: evaluation"] = f"{number(report.evaluation.seconds)} s"
    pairs["Charge scale"] = f"{source.charge_scale:g} ({source.charge_scale_source})"
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in pairs.items())
    model = f"<h3>Model</h3><pre>{escape(source.model)}</pre>" if source.model else ""
    config = f"<details open><summary>Configuration</summary><pre>{escape(source.config)}</pre></details>"
    cite = "<h3>Please cite</h3>" + "".join(say(citation) for citation in source.citations)
    return f"<dl>{facts}</dl>{notes(source.notes)}{model}{config}{cite}"
