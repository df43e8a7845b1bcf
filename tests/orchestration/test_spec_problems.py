"""Every problem of a sweep file is reported in one go, with its line, the value and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madv.errors import SpecError
from orchestration.spec import load_spec

SOUND = """\
cluster_name: ablate-streams
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny]
    design: factorial
    factors:
      texture: {on: [], off: [model.streams.texture=false]}
      depth: {on: [], off: [model.streams.depth=false]}
    seeds: 2
"""

MANY = """\
cluster_name: ../x
providr: {type: local}
seeds: 3
metadata:
  sweep:
    base: [dataset=synthetik, loss.alfa=1]
    design: factorail
    factors:
      texture: {on: [], off: [model.streams.txture=false]}
      au: {on: [], off: [model.streams.au=maybe, model.streams.au]}
    exclude: ["texture=off deth=off"]
    seeds: three
    report: {metric: uf2}
    storage_pth: x
"""


def problems(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> list[str]:
    """Each problem as printed, less the folder."""
    path = folder / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(path, overrides)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert SOUND.count(old) == 1
    return SOUND.replace(old, new)


def test_all_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(tmp_path, MANY, ("train.epoch=2",))
    starts = [
        "sweep.yaml:1: cluster_name: must be a name of letters, digits",
        "sweep.yaml:2: providr: unknown key 'providr'; did you mean 'provider'?",
        "sweep.yaml:3: seeds: belongs under metadata.sweep",
        "sweep.yaml:6: metadata.sweep.base[0]: 'dataset=synthetik': unknown dataset preset 'synthetik'; "
        "did you mean 'synthetic'?",
        "sweep.yaml:6: metadata.sweep.base[1]: 'loss.alfa=1': unknown setting 'loss.alfa'; did you mean 'loss.alpha'?",
        "sweep.yaml:7: metadata.sweep.design: unknown design 'factorail'; did you mean 'factorial'?",
        "sweep.yaml:9: metadata.sweep.factors.texture.off[0]: 'model.streams.txture=false': unknown setting "
        "'model.streams.txture'; did you mean 'model.streams.texture'?",
        "sweep.yaml:10: metadata.sweep.factors.au.off[0]: 'model.streams.au=maybe': model.streams.au: ",
        "sweep.yaml:10: metadata.sweep.factors.au.off[1]: 'model.streams.au': is not an override",
        "sweep.yaml:11: metadata.sweep.exclude[0]: unknown factor 'deth'; choose from au, texture",
        "sweep.yaml:12: metadata.sweep.seeds: must be a number of seeds from 1 to 1000, or a list of distinct seeds "
        "such as [0, 1, 2]; not 'three'",
        "sweep.yaml:13: metadata.sweep.report.metric: unknown metric 'uf2'; did you mean 'uf1'?",
        "sweep.yaml:14: metadata.sweep.storage_pth: unknown key 'storage_pth'; did you mean 'storage_path'?",
        "command line: 'train.epoch=2': unknown setting 'train.epoch'; did you mean 'train.epochs'?",
    ]
    assert len(found) == len(starts)
    for message, start in zip(found, starts, strict=True):
        assert message.startswith(start), message


def test_a_search_keeps_no_networks(tmp_path: Path) -> None:
    found = problems(tmp_path, changed("seeds: 2", "search: {trials: 2}\n    report: {keep_checkpoints: all}"))
    assert any("10: metadata.sweep.report.keep_checkpoints: a search keeps no networks" in one for one in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cluster_name: ablate-streams\n", "", "1: cluster_name: is missing"),
        ("cluster_name: ablate-streams", "cluster_name: a/b", "1: cluster_name: must be a name of"),
        ("cluster_name: ablate-streams", "cluster_name: 3", "1: cluster_name: must be a name of"),
        ("    design: factorial\n", "", "3: metadata.sweep.design: is missing; choose from one_factor_at_a_time"),
        ("factorial", "[factorial]", "5: metadata.sweep.design: unknown design ['factorial']"),
        ("seeds: 2", "seeds: 0", "9: metadata.sweep.seeds: must be a number of seeds"),
        ("seeds: 2", "seeds: true", "9: metadata.sweep.seeds: must be a number of seeds"),
        ("seeds: 2", "seeds: [1, 1]", "9: metadata.sweep.seeds: must be a number of seeds"),
        ("seeds: 2", "seeds: 2\n    seeds: 3", "10: metadata.sweep.seeds: the key 'seeds' is already on line 9"),
        ("seeds: 2", "cluster_name: x", "9: metadata.sweep.cluster_name: belongs at the top of the file"),
        ("seeds: 2", "search: {}", "9: metadata.sweep.search: is empty; a search needs a space"),
        ("seeds: 2", "controls: [repaet]", "9: metadata.sweep.controls[0]: unknown control 'repaet'; did you mean"),
        ("seeds: 2", "question: 3", "9: metadata.sweep.question: must be a text, not 3"),
        ("seeds: 2", "protocol: loso", "9: metadata.sweep.protocol: must be a mapping, not 'loso'"),
        ("seeds: 2", "protocol: {kind: kfold}", "9: metadata.sweep.protocol.kind: unknown kind 'kfold'"),
        (
            "seeds: 2",
            "protocol: {optimistic: 1}",
            "9: metadata.sweep.protocol.optimistic: must be true or false, not 1",
        ),
        ("seeds: 2", "protocol: {validation_subjects: 2}", "9: metadata.sweep.protocol.validation_subjects: is not"),
        ("seeds: 2", "report: {alpha: .nan}", "9: metadata.sweep.report.alpha: must be between 0 and 0.5, not nan"),
        (
            "seeds: 2",
            "report: {keep_checkpoints: bst}",
            "9: metadata.sweep.report.keep_checkpoints: unknown keep_checkpoints 'bst'; did you mean 'best'?",
        ),
        ("seeds: 2", "resources: {cpus_per_trial: 0}", "9: metadata.sweep.resources.cpus_per_trial: must be a number"),
        (
            "seeds: 2",
            f"report: {{alpha: 1{'0' * 400}}}",
            "9: metadata.sweep.report.alpha: must be between 0 and 0.5, not",
        ),
        ("seeds: 2", "resources: {gpus_per_trial: x}", "9: metadata.sweep.resources.gpus_per_trial: must be auto or"),
        ("seeds: 2", "storage_path: 2024-13-45", "9: metadata.sweep.storage_path: '2024-13-45' is no valid timestamp"),
        ("seeds: 2", "exclude: [texture=of]", "9: metadata.sweep.exclude[0]: unknown level of factor texture 'of'; "),
        ("seeds: 2", "exclude: [texture]", "9: metadata.sweep.exclude[0]: 'texture' is no level; write factor=level"),
        ("seeds: 2", "exclude: texture=off", "9: metadata.sweep.exclude: must be a list such as"),
        ("seeds: 2", "exclude: [texture=on]", "9: metadata.sweep.exclude[0]: removes the reference"),
        ("seeds: 2", "exclude: [texture=on texture=off]", "9: metadata.sweep.exclude[0]: 'texture' occurs twice"),
        ("seeds: 2", "exclude: [texture=off, depth=off]", "9: metadata.sweep.exclude: leaves nothing to compare"),
        ("base: [dataset=synthetic, model=madv_tiny]", "base: {}", "4: metadata.sweep.base: must be a list such as"),
        ("model=madv_tiny]", "{model: madv_tiny}]", "4: metadata.sweep.base[1]: must be a text, not {'model'"),
        (
            "[model.streams.texture=false]",
            "[dataset.size=8]",
            "7: metadata.sweep.factors.texture.off[0]: 'dataset.size",
        ),
        ("[model.streams.texture=false]", "null", "7: metadata.sweep.factors.texture.off: must be a list such as"),
        (
            "{on: [], off: [model.streams.texture=false]}",
            "{on: []}",
            "7: metadata.sweep.factors.texture: a factor comp",
        ),
        ("{on: [], off: [model.streams.texture=false]}", "[on, off]", "7: metadata.sweep.factors.texture: must map"),
        ("texture: {on: [], off:", "texture: {on: [], true: [], off:", "7: metadata.sweep.factors.texture.true: the l"),
        ("texture: {", "tex ture: {", "7: metadata.sweep.factors.tex ture: a factor's name is one word"),
        (
            "depth: {on: [], off: ",
            "depth: {on: [], a=b: ",
            "8: metadata.sweep.factors.depth.a=b: a level's name is one",
        ),
    ],
)
def test_one_problem(tmp_path: Path, old: str, new: str, message: str) -> None:
    found = problems(tmp_path, changed(old, new))
    assert len(found) == 1, found
    assert found[0].startswith(f"sweep.yaml:{message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "sweep.yaml: is empty; a sweep file needs cluster_name and metadata.sweep"),
        ("# nothing\n", "sweep.yaml: is empty"),
        ("- 1\n", "sweep.yaml: is no mapping"),
        ("a: [1\nb: 2\n", "sweep.yaml:2:2: is not YAML: expected ',' or ']'"),
        ("a: !!python/object:os.system x\n", "sweep.yaml:1:4: is not YAML: could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "sweep.yaml:2:1: is not YAML: but found another document"),
        ("a: \x00\n", "sweep.yaml: is not YAML: special characters are not allowed"),
        ("a: &a [*a]\n", "sweep.yaml:1: too large or nested too deeply for a sweep file"),
        ("a: " + "[" * 20_000, "sweep.yaml:1: too large or nested too deeply for a sweep file"),
        ("cluster_name: a\n", "sweep.yaml:1: metadata.sweep: is missing; it says what to compare: question, base"),
        ("cluster_name: a\nmetadata: 3\n", "sweep.yaml:2: metadata: must be a mapping, not 3"),
        ("cluster_name: a\nmetadata: {sweep: }\n", "sweep.yaml:2: metadata.sweep: must be a mapping, not nothing"),
        (
            "cluster_name: a\nmetadata: {swep: {}}\n",
            "sweep.yaml:2: metadata.sweep: is missing; unknown key 'swep'; did",
        ),
        ("cluster_name: a\nmetadata:\n  sweep: {design: factorial}\n", "sweep.yaml:3: metadata.sweep.factors: is miss"),
    ],
)
def test_not_a_sweep_file(tmp_path: Path, text: str, message: str) -> None:
    found = problems(tmp_path, text)
    assert found[0].startswith(message), found


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.yaml: there is no such file"):
        load_spec(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        load_spec(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SpecError, match="is not a text file in UTF-8"):
        load_spec(tmp_path / "binary.yaml")


def test_exponential_aliases_end_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "too large or nested too deeply" in problems(tmp_path, "\n".join(lines))[0]


def test_a_combination_that_does_not_hold_names_its_variant(tmp_path: Path) -> None:
    text = changed("model=madv_tiny]", "model=madv_tiny, model.streams.au=false]")
    (found,) = problems(tmp_path, text)
    assert found.startswith("sweep.yaml:6: metadata.sweep.factors: variant 'texture=off depth=off': model.streams: all")
    assert found.endswith("metadata.sweep.exclude leaves variants out")


def test_a_reference_that_holds_only_with_its_levels_is_sound(tmp_path: Path) -> None:
    off = "model.streams.texture=false, model.streams.depth=false, model.streams.au=false"
    factor = "stream: {texture: [model.streams.texture=true], depth: [model.streams.depth=true]}"
    text = changed("model=madv_tiny]", f"model=madv_tiny, {off}]")
    start, end = text.index("texture: {on"), text.index("    seeds")
    path = tmp_path / "sweep.yaml"
    path.write_text(text[:start] + factor + "\n" + text[end:])
    assert set(load_spec(path).design.factors["stream"]) == {"texture", "depth"}


def test_a_bad_override_is_found_once_not_once_a_variant(tmp_path: Path) -> None:
    found = problems(tmp_path, changed("model=madv_tiny]", "model=madv_tiny, loss.alpha=-1]"))
    assert len(found) == 1
    assert found[0].startswith("sweep.yaml:4: metadata.sweep.base[2]: 'loss.alpha=-1': loss.alpha: ")


def test_too_many_variants(tmp_path: Path) -> None:
    more = "".join(f"      f{n}: {{a: [], b: [loss.alpha={n}]}}\n" for n in range(12))
    (found,) = problems(tmp_path, changed("    seeds", f"{more}    seeds"))
    assert found == "sweep.yaml:6: metadata.sweep.factors: make 16384 variants; at most 4096 can be compared"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(override=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_no_override_ends_in_a_traceback(tmp_path: Path, override: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(SOUND)
    try:
        load_spec(path, (override,))
    except SpecError as error:
        assert error.problems


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damaged_file_ends_in_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    line = data.draw(st.integers(0, SOUND.count("\n") - 1))
    junk = st.sampled_from(
        ["", "3", "[]", "{}", "null", "x: y", "- 1", "? a", "&a", "*a", "!x 1", "'", "  ", "[a, {b: c}]"]
    )
    lines = SOUND.splitlines()
    lines[line] = (
        lines[line].partition(":")[0] + ": " + data.draw(junk) if data.draw(st.booleans()) else data.draw(junk)
    )
    path = tmp_path / "sweep.yaml"
    path.write_text("\n".join(lines))
    try:
        load_spec(path)
    except SpecError as error:
        assert error.problems
