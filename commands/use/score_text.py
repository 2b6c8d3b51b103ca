"""What featx score says when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common import draw_table, human_count

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.scoring.score import ScoreReport

SHOWN_CLASSES = 10


def draw_score(console: Console, report: ScoreReport) -> None:
    """Say how many images were scored, how, and what was predicted."""
    if report.n_earlier:
        console.print(f"{_images(report.n_earlier)} left out: {report.out} has predictions of them")
    if report.n_samples:
        _draw_scored(console, report)
        console.print(f"Predictions: {report.out}")
    elif report.n_earlier:
        console.print("No image is new: nothing was added")
    else:
        console.print(f"The source has no images: {report.out} has no rows")


def _draw_scored(console: Console, report: ScoreReport) -> None:
    from ...classifiers.comparison.visible import visible

    counts = (("ok", report.n_ok), ("unsure", report.n_unsure), ("unreadable", report.n_errors))
    console.print(
        f"{_images(report.n_samples)} scored in {report.seconds:.1f} s: "
        f"{', '.join(f'{human_count(n)} {word}' for word, n in counts if n or word == 'ok')}; "
        f"features of {human_count(report.n_cached)} came from the cache"
    )
    if report.n_views > 1:
        console.print(f"  each by the mean over {report.n_views} views")
    if report.n_resumed:
        console.print(f"  {human_count(report.n_resumed)} rows were there from an interrupted run")
    for name, reason in report.first_errors:
        console.print(f"  unreadable: {visible(name)}: {reason}")
    shown = list(report.by_class.items())[:SHOWN_CLASSES]
    if shown:
        draw_table(console, ("predicted", "images"), [(name, f"{k:,}") for name, k in shown])
    if len(report.by_class) > SHOWN_CLASSES:
        console.print(f"  and {len(report.by_class) - SHOWN_CLASSES} more classes")
    if report.n_unlike is not None:
        console.print(
            f"{_images(report.n_unlike)} unlike the training images; --unlike-rate says how many "
            "of like ones are among them"
        )
    for line in _agreement_lines(report):
        console.print(line)


def _images(n: int) -> str:
    return f"{human_count(n)} image{'' if n == 1 else 's'}"


def _what_agreement_means(report: ScoreReport) -> str:
    """Say that agreement is no accuracy, and how it is on rows that the model did not know."""
    if report.held_out_agreement is None and not report.n_trained_on:
        return "  This says nothing of new images: the model may have been trained on these rows"
    trained = ""
    if report.n_trained_on:
        known = human_count(report.n_trained_on)
        trained = f"This says nothing of new images: the model was trained on {known} of these rows"
    if report.held_out_agreement is None:
        return f"  {trained}"
    n_rows, agreement = human_count(report.n_held_out), report.held_out_agreement
    return f"  {trained}{'. ' * bool(trained)}On the {n_rows} that it never saw: {agreement:.4f}"


def _agreement_lines(report: ScoreReport) -> list[str]:
    """Return how predictions and the labels of the source agree, and which labels are unknown."""
    lines = []
    if report.agreement is not None:
        lines.append(
            f"Agreement with the source's own labels: {report.agreement:.4f}, on "
            f"{human_count(report.n_compared)} of {human_count(report.n_samples)} rows"
        )
        lines.append(_what_agreement_means(report))
    if report.unknown_labels:
        labels = list(report.unknown_labels.items())
        shown = ", ".join(f"{name} ({human_count(n)})" for name, n in labels[:SHOWN_CLASSES])
        more = f" and {len(labels) - SHOWN_CLASSES} more" if len(labels) > SHOWN_CLASSES else ""
        n_rows = human_count(sum(report.unknown_labels.values()))
        lines.append(f"{n_rows} rows have a label that the model does not know: {shown}{more}")
    return lines
