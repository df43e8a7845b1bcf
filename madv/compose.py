"""Hydra overrides to a checked configuration, with every problem found in one go."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from madv.config import Config, LossConfig, PretrainConfig, ProtocolConfig, TrainConfig
from madv.config_data import DatasetConfig
from madv.config_method import MethodConfig
from madv.config_model import ModelConfig
from madv.errors import ConfigError, Problem, unknown
from madv.model.checks import contradictions

GROUPS = ("dataset", "method", "model", "loss", "train", "pretrain", "protocol")
_RECORDS = {
    "method": MethodConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "train": TrainConfig,
    "pretrain": PretrainConfig,
    "protocol": ProtocolConfig,
}
_DATASETS = {record.__dataclass_fields__["kind"].default: record for record in get_args(get_args(DatasetConfig)[0])}
_CHECK = TypeAdapter(Config)


def presets(group: str) -> list[str]:
    """Names of the YAML presets of a group, e.g. presets("model")."""
    folder = files("madv") / "conf" / group
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def compose(overrides: Sequence[str]) -> Config:
    """Build a configuration from Hydra overrides such as ["dataset=synthetic", "loss.alpha=0"].

    Raises:
        ConfigError: with one problem for each override that does not hold; the problem's place is the override.
    """
    # Overrides are applied one by one so that each error is found and keeps its place; the last of a kind wins.
    problems: list[Problem] = []
    choices: dict[str, str] = {}
    values: list[tuple[str, str, Any]] = []
    for text in overrides:
        try:
            key, value = _parse(text)
        except ConfigError as error:
            problems += error.problems
            continue
        if key not in GROUPS:
            values.append((text, key, value))
        elif value in presets(key):
            choices[key] = value
        else:
            problems.append(Problem(place=text, message=unknown(f"{key} preset", value, presets(key))))

    settings = _preset_settings(choices)
    sources: dict[str, str] = {}
    for text, key, value in values:
        try:
            _set(settings, key, value, text)
            sources[key] = text
        except ConfigError as error:
            problems += error.problems
    try:
        config = _CHECK.validate_python(settings)
    except ValidationError as error:
        problems += _explain(error, sources)
    else:
        problems += _contradictions(config)
    if problems:
        given = {text: place for place, text in enumerate(overrides)}
        raise ConfigError(sorted(problems, key=lambda problem: given.get(problem.place, len(given))))
    return config


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys: {"loss": {"alpha": 1}} -> {"loss.alpha": 1}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _parse(text: str) -> tuple[str, Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException:
        raise ConfigError([Problem(place=text, message="is not an override; write key=value")]) from None
    if override.is_add() or override.is_delete() or override.is_sweep_override() or override.package:
        message = "only key=value is allowed here: no +, ~, @ and no sweeps; a sweep file's factors vary settings"
        raise ConfigError([Problem(place=text, message=message)])
    return override.key_or_group, _plain(override.value())


def _plain(value: Any) -> Any:
    """Drop the parser's quoting marks: a QuotedString's text, in lists and mappings too."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(entry) for key, entry in value.items()}
    return value.text if hasattr(value, "text") else value


def _preset_settings(choices: Mapping[str, str]) -> dict[str, Any]:
    """Defaults of the records under the presets' values, as fresh nested dictionaries."""
    import copy

    # No preset looks into another group: each is composed once, not each combination of them.
    chosen = {group: f"{group}={choices[group]}" if group in choices else None for group in GROUPS}
    return copy.deepcopy({group: _composed(override)[group] for group, override in chosen.items()})


@functools.cache
def _composed(override: str | None) -> dict[str, Any]:
    """All groups with one preset chosen; None: with the default ones."""
    from dataclasses import asdict

    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("madv.conf", version_base="1.3"):
        chosen = hydra_compose("config", overrides=[] if override is None else [override])
    preset: dict[str, Any] = OmegaConf.to_container(chosen, resolve=True)  # type: ignore[assignment]
    source = preset["pretrain"].get("dataset")
    if source is not None:
        preset["pretrain"]["dataset"] = _merge(asdict(_DATASETS[source["kind"]]()), source)
    records = {**_RECORDS, "dataset": _DATASETS[preset["dataset"]["kind"]]}
    return {group: _merge(asdict(records[group]()), preset[group]) for group in GROUPS}


def _merge(defaults: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in preset.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if nested else value
    return merged


def _set(settings: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Set one dotted key that must exist."""
    if key == "dataset.kind":
        message = f"the kind goes with the preset; choose a data set with dataset={value}"
        raise ConfigError([Problem(place=place, message=message)])
    *parents, last = key.split(".")
    node = settings
    for depth, part in enumerate([*parents, last]):
        if not isinstance(node, dict) or part not in node:
            names = node if isinstance(node, dict) else [""]
            choices = [".".join([*parents[:depth], name]).rstrip(".") for name in names]
            raise ConfigError([Problem(place=place, message=_unknown_setting(key, choices, flatten(settings)))])
        if depth < len(parents):
            node = node[part]
    if key == "pretrain.dataset" and (value is None or isinstance(value, str)):
        node[last] = None if value is None else _source(value, place)
        return
    if isinstance(node[last], dict):
        if not isinstance(value, dict):
            message = f"{key} is a group of settings; set one of {', '.join(f'{key}.{name}' for name in node[last])}"
            raise ConfigError([Problem(place=place, message=message)])
        for name, entry in value.items():
            _set(settings, f"{key}.{name}", entry, place)
        return
    node[last] = value


def _source(preset: str, place: str) -> dict[str, Any]:
    """The settings of a second data set, by the name of its preset."""
    if preset not in presets("dataset"):
        raise ConfigError([Problem(place=place, message=unknown("dataset preset", preset, presets("dataset")))])
    settings: dict[str, Any] = _preset_settings({"dataset": preset})["dataset"]
    return settings


def _unknown_setting(key: str, siblings: list[str], flat: dict[str, Any]) -> str:
    import difflib

    near = difflib.get_close_matches(key, flat, n=1, cutoff=0.6)
    if near and near[0] not in siblings:
        return f"unknown setting {key!r}; did you mean {near[0]!r}?"
    return unknown("setting", key, siblings)


def _explain(error: ValidationError, sources: dict[str, str]) -> list[Problem]:
    """Pydantic's findings, each with the override that caused it where one did."""
    problems = []
    for finding in error.errors(include_url=False):
        # A union names its branch in the location ("dataset", "synthetic", "frames"): that part is not a key.
        location = [str(part) for part in finding["loc"] if part not in _DATASETS]
        key = ".".join(location)
        place = next((sources[k] for k in (key, key.rpartition(".")[0]) if k in sources), key)
        message = finding["msg"][0].lower() + finding["msg"][1:]
        problems.append(Problem(place=place, message=f"{key}: {message}, not {finding['input']!r}"))
    return problems


def _contradictions(config: Config) -> list[Problem]:
    """What the records allow one by one but not together."""
    problems = contradictions(config.model, None)
    ours = config.method.name == "madv_net"
    lower = (config.loss.alpha, config.loss.beta, config.loss.gamma)[: config.model.levels - 1]
    if ours and config.model.fusion == "last" and any(config.loss.w_freq * weight == 0 for weight in lower):
        message = "last reads the highest level alone, so that a lower one learns by its head; give its loss a weight"
        problems.append(Problem(place="model.fusion", message=message))
    if config.train.min_learning_rate > config.train.learning_rate:
        message = f"{config.train.min_learning_rate:g} is above train.learning_rate={config.train.learning_rate:g}"
        problems.append(Problem(place="train.min_learning_rate", message=message))
    problems += _idle(config.pretrain)
    if config.pretrain.active() and (config.protocol.split == "clips" or config.protocol.copies > 1):
        message = "a pre-training leaves out one subject and copies nothing; set pretrain=none"
        problems.append(Problem(place="protocol", message=message))
    return problems


def _idle(pretrain: PretrainConfig) -> list[Problem]:
    """Half of a supervised pre-training does nothing."""
    if pretrain.supervised_epochs and pretrain.dataset is None:
        message = "supervised epochs need labels of another data set; set pretrain.dataset"
        return [Problem(place="pretrain.supervised_epochs", message=message)]
    if pretrain.dataset is not None and not pretrain.active():
        message = "nothing is done with it; set pretrain.supervised_epochs, or pretrain.dataset=null"
        return [Problem(place="pretrain.dataset", message=message)]
    return []
