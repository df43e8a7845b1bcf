"""The written report: the same bytes for the same study, hostile names as text, and something for every bad study."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_up import failed_cell
from sklearn import metrics as sk

from dashboards import paper_figures, text
from dashboards.analysis import analyse
from dashboards.report import write_report
from dashboards.study import Study, StudyVariant
from dashboards.tables import ablation_table, headline
from dashboards.tables import csv as as_csv
from orchestration.cells import CellStore

StudyOf = Callable[..., Study]
TABLES = ("ablation.csv", "ablation.md", "ablation.tex")

COLUMNS = ["variant", "uf1", "uar", "accuracy", "macro_f1", "difference", "low", "high", "p"]
HOSTILE = '=HYPERLINK("x")</script><img src=x onerror=alert(1)>|`_'


class Page(HTMLParser):
    """Elements, addresses and ids of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src") and value]
        self.ids += [value for name, value in attrs if name == "id" and value]


def test_csv_has_one_row_a_variant_ranked(study_of: StudyOf, tmp_path: Path) -> None:
    report = write_report(study_of(), tmp_path / "reports" / "ablate-streams")
    rows = list(csv.DictReader(io.StringIO(report.path_csv.read_text(encoding="utf-8"))))
    assert list(rows[0])[:9] == COLUMNS
    assert len(rows) == 7
    scores = [float(row["uf1"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    reference = next(row for row in rows if row["variant"] == "reference")
    assert [reference[name] for name in ("difference", "low", "high", "p", "p_holm")] == [""] * 5
    assert reference["verdict"] == "reference"
    # The smallest p value of 12 subjects, 2 / 2^12, times the 6 comparisons.
    assert {row["p_holm"] for row in rows if row is not reference} == {"0.002930"}
    assert report.headline.startswith("The reference comes first with UF1 ")


def test_the_table_equals_a_recomputation_with_sklearn_from_stored_predictions(
    study_of: StudyOf, tmp_path: Path
) -> None:
    study, store = study_of(), CellStore(tmp_path / "store")
    for cell in study.cells.values():
        store.write(cell)
    found = store.read_many([cell.key for cell in study.cells.values()])
    report = write_report(replace(study, cells=dict(zip(study.cells, found, strict=True))), tmp_path)
    written = {row["variant"]: row for row in csv.DictReader(io.StringIO(report.path_csv.read_text(encoding="utf-8")))}
    scores = {}
    for variant in study.variants:
        by_seed = []
        for seed in study.seeds:
            folds = [
                pq.read_table(tmp_path / "store" / "cells" / f"{variant.name}-{seed}-{one}.parquet")
                for one in study.subjects
            ]
            true, said = (np.concatenate([fold[name].to_numpy() for fold in folds]) for name in ("y_true", "y_pred"))
            precision, recall = (
                function(true, said, average=None) for function in (sk.precision_score, sk.recall_score)
            )
            macro = 2 * precision.mean() * recall.mean() / (precision.mean() + recall.mean())
            uf1 = sk.f1_score(true, said, average="macro")
            by_seed.append([uf1, sk.balanced_accuracy_score(true, said), sk.accuracy_score(true, said), macro, *recall])
        scores[variant.name] = np.mean(by_seed, axis=0)
        columns = ["uf1", "uar", "accuracy", "macro_f1", *(f"recall_{name}" for name in study.class_names)]
        shown = [float(written[variant.name][column]) for column in columns]
        assert shown == pytest.approx(scores[variant.name], abs=5e-7)
    for name, row in written.items():
        if name != "reference":
            assert float(row["difference"]) == pytest.approx(scores[name][0] - scores["reference"][0], abs=1e-6)


def test_the_same_study_gives_the_same_bytes(study_of: StudyOf, tmp_path: Path) -> None:
    first, second = (write_report(study_of(), tmp_path / name) for name in ("a", "b"))
    for one, other in zip(_paths(first), _paths(second), strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [*TABLES, "index.html"]


def _paths(report: object) -> list[Path]:
    return [getattr(report, name) for name in ("path_html", "path_csv", "path_md")]


def test_page_asks_the_network_for_nothing_and_has_every_section(study_of: StudyOf, tmp_path: Path) -> None:
    content = write_report(study_of(), tmp_path).path_html.read_text(encoding="utf-8")
    page = Page(content)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    for place in (
        "table",
        "scores",
        "differences",
        "parts",
        "spread",
        "confusion",
        "learning",
        "subjects",
        "cost",
        "ran",
        "reading",
    ):
        assert place in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert content.count('role="img" aria-label="') == 14
    assert "Partial result" not in content


def test_hostile_names_are_text_everywhere(study_of: StudyOf, tmp_path: Path) -> None:
    variants = (
        StudyVariant(name="reference", levels={HOSTILE: "on"}, is_reference=True),
        StudyVariant(name=HOSTILE, levels={HOSTILE: HOSTILE}, overrides=(HOSTILE,)),
    )
    study = study_of(
        variants=variants,
        skill={"reference": 0.9, HOSTILE: 0.4},
        question=HOSTILE,
        cluster_name=HOSTILE,
        provenance={HOSTILE: HOSTILE},
        rerun=(HOSTILE,),
    )
    study = replace(
        study, cells={**study.cells, (HOSTILE, 0, "s01"): failed_cell(HOSTILE, 0, "s01", f"{HOSTILE}\n{HOSTILE}\udc80")}
    )
    report = write_report(study, tmp_path)
    page = Page(report.path_html.read_text(encoding="utf-8"))
    assert "img" not in page.tags
    assert page.tags.count("script") == 3
    rows = list(csv.reader(io.StringIO(report.path_csv.read_text(encoding="utf-8"))))
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    assert f"'{HOSTILE}" in rows[0] and any(row[0] == f"'{HOSTILE}" for row in rows)
    for line in report.path_md.read_text(encoding="utf-8").splitlines():
        assert "<img" not in line
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 9


def test_texts_are_no_markup_of_markdown_or_latex() -> None:
    assert text.plain_markdown("a|b $x$ ~~c~~ &lt; <i>\n|") == r"a\|b \$x\$ \~\~c\~\~ &amp;lt; &lt;i&gt; \|"
    assert text.latex_row(["[1pt] x", ".5"]) == r"{}[1pt] x & .5 \\"
    assert text.latex_row(["x", "*"]) == r"x & * \\"


def test_names_beside_a_figures_rows() -> None:
    assert paper_figures._label("a\0b\udc80 $x$") == r"a b  \$x\$"
    long = paper_figures._label("texture=off " * 20)
    assert long.count("\n") == 2 and long.endswith("…") and max(map(len, long.split("\n"))) <= 36


def test_a_report_comes_however_bad_the_study(study_of: StudyOf, tmp_path: Path) -> None:
    study = study_of(subjects=3)
    failed = replace(study, cells={key: failed_cell(*key, "MemoryError: gone") for key in study.cells})
    content = write_report(failed, tmp_path / "failed").path_html.read_text(encoding="utf-8")
    assert "0 of 42 cells done, 42 failed, 0 not run" in content
    assert "MemoryError: gone" in content
    report = write_report(replace(study, cells={}), tmp_path / "empty")
    assert report.headline == "Nothing can be said yet: no cell of any variant is done."
    assert report.path_csv.read_text(encoding="utf-8").count("\n") == 8
    alone = replace(study, variants=study.variants[1:2])
    assert "nothing is compared" in write_report(alone, tmp_path / "alone").notes[0]
    bare = replace(study, cells={key: replace(cell, history={}) for key, cell in study.cells.items()}, ceilings=None)
    content = write_report(bare, tmp_path / "bare").path_html.read_text(encoding="utf-8")
    assert "No cell that is done holds a training history." in content


def test_factor_named_like_a_column_keeps_both(study_of: StudyOf) -> None:
    variants = (
        StudyVariant(name="reference", levels={"uf1": "on"}, is_reference=True),
        StudyVariant(name="other", levels={"uf1": "off"}),
    )
    table = ablation_table(analyse(study_of(variants=variants, skill={"reference": 0.9, "other": 0.5})))
    assert list(table["level_uf1"]) == ["on", "off"]
    assert table["uf1"].between(0, 1).all()
    assert as_csv(table).startswith("variant,uf1,uar,")


def test_headline_of_mixed_results(study_of: StudyOf) -> None:
    variants = tuple(
        StudyVariant(name=name, levels={}, is_reference=name == "base") for name in ("base", "a", "b", "c")
    )
    skill = {"base": 0.6, "a": 0.95, "b": 0.6, "c": 0.2}
    said = headline(analyse(study_of(variants=variants, skill=skill)))
    assert said.startswith("“a” comes first with UF1 .9")
    assert "“c” is significantly worse than the reference" in said
    assert "“a” is significantly better than the reference" in said
    assert said.endswith("of “b” the study cannot tell.")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text.score(0.8744), ".874"),
        (text.score(1.0), "1.000"),
        (text.score(None), "–"),
        (text.signed(-0.1044), "−.104"),
        (text.signed(0.0), ".000"),
        (text.signed(-0.0001), ".000"),
        (text.p_value(0.0004), "< .001"),
        (text.interval(-0.1, 0.25, sign=True), "[−.100, +.250]"),
        (text.amount(3_040_000), "3.04 M"),
        (text.duration(200), "3.3 min"),
        (text.several(["a", "b", "c"], most=2), "a and 2 more"),
        (text.plain_csv("-1"), "'-1"),
    ],
)
def test_how_numbers_are_written(written: str, expected: str) -> None:
    assert written == expected
