"""The Optuna study of a search: where it is kept, whose it is, and how it goes on after it was stopped."""

from __future__ import annotations

import functools
import sqlite3
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from madv.errors import ConfigError, MadvError, Problem
from madv.modes import group_folder, hand_over
from madv.seeds import seed_of
from orchestration.addresses import without_password
from orchestration.search_spec import OBJECTIVES

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    from orchestration.cells import CellStore
    from orchestration.search_plan import Search

FOLDER = "studies"
"""Below the store."""
SQLITE = "sqlite:///"
JOURNAL = "journal:"
"""Before the path of a file that JournalStorage writes; it may lie on NFS."""
OWNER = "madv.search"
"""Attribute of a study: the digest of what it searches."""
AGAIN = "madv.again"
"""Attribute of a trial: the number of the one that was cut off, whose parameters it tries again."""
REASON = "madv.reason"
"""Attribute of a trial that failed."""


class StudyError(MadvError):
    """A study that cannot be opened, or is another search's."""


def open_study(search: Search, *, create: bool = True) -> Study | None:
    """The search's study; None if there is none and it is not to be made.

    Raises:
        StudyError: its storage cannot be reached, or it belongs to another space.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = storage_url(search)
    place = search.spec.places.get("storage", "search.storage")
    fresh = False
    if url.startswith(SQLITE):
        file = Path(url.removeprefix(SQLITE))
        if not create and not file.exists():
            return None
        group_folder(file.parent)
        fresh = not file.exists()
    try:
        storage = open_storage(url)
        known = {summary.study_name for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)}
        if search.study not in known and not create:
            return None
        study = optuna.create_study(
            storage=storage,
            study_name=search.study,
            directions=["maximize" if OBJECTIVES[name] else "minimize" for name in search.spec.objectives],
            load_if_exists=True,
        )
        owner = study.user_attrs.get(OWNER)
        if owner is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(OWNER, search.digest)
            owner = search.digest
    except (SQLAlchemyError, optuna.exceptions.OptunaError, OSError, ImportError, ValueError) as error:
        first = (str(getattr(error, "orig", None) or error).strip() or type(error).__name__).splitlines()[0]
        raise StudyError([Problem(place=place, message=f"{without_password(url)}: {first}")]) from None
    if fresh:
        hand_over(Path(url.removeprefix(SQLITE)))
    if owner != search.digest:
        message = (
            f"the study {search.study!r} in {without_password(url)} belongs to another space, or to other data or "
            "code; give this search another name in search.study, or another storage"
        )
        raise StudyError([Problem(place=search.spec.places.get("study", "search.study"), message=message)])
    study.sampler = make_sampler(search, len(study.get_trials(deepcopy=False)))
    if search.races:
        from orchestration.racing import FoldRace

        study.pruner = FoldRace()
    else:
        study.pruner = optuna.pruners.NopPruner()
    return study


def storage_url(search: Search, *, hidden: bool = False) -> str:
    """Where the study is kept.

    Args:
        search: whose study it is.
        hidden: leave a password out.

    Raises:
        StudyError: nothing is named, and the store is no folder.
    """
    if search.spec.storage is not None:
        return without_password(search.spec.storage) if hidden else search.spec.storage
    root = search.plan.spec.storage_path
    if "://" in root:
        cells = without_password(root)
        message = f"is missing: with cells in {cells} the study needs a database, such as postgresql://host/name"
        raise StudyError([Problem(place=search.spec.places.get("storage", "search.storage"), message=message)])
    return f"{SQLITE}{Path(root, FOLDER, search.plan.spec.cluster_name)}.db"


def resume(study: Study, search: Search) -> int:
    """Take up what was cut off, queue the known points, and count the trials that are left to do.

    A trial that was running when its driver died would stay so for good: it is told as failed, and its parameters are
    queued once more, before what is drawn. Its cells are found again.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.number not in repeated(study):
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
        study.tell(trial.number, state=TrialState.FAIL)
    for point in search.spec.enqueue:
        study.enqueue_trial(dict(point), skip_if_exists=True)
    return max(0, search.spec.trials - counted(study))


def retry_failed(search: Search, study: Study, store: CellStore) -> None:
    """Queue configurations whose cells failed once more, with their failures forgotten."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
        if trial.number in repeated(study) or not trial.params:
            continue
        try:
            keys = [cell.key for cell in search.candidate(trial.params, "").cells]
        except ConfigError:
            continue
        failed = [key for key, state in store.states(keys).items() if state == "failed"]
        for key in failed:
            store.clear_failed(key)
        if failed:
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})


def counted(study: Study) -> int:
    """Trials that have ended; of one that was cut off only its repetition counts."""
    again = repeated(study)
    return sum(t.state.is_finished() and t.number not in again for t in study.get_trials(deepcopy=False))


def repeated(study: Study) -> set[int]:
    """Numbers of trials that others try again, having been cut off or cleared of a failure."""
    return {t.user_attrs[AGAIN] for t in study.get_trials(deepcopy=False) if AGAIN in t.user_attrs}


def make_sampler(search: Search, number: int) -> BaseSampler:
    """What chooses the parameters.

    Args:
        search: whose sampler it is.
        number: of trials in the study: a sampler that goes on must not draw what it drew before.
    """
    from optuna import samplers

    seed = seed_of(search.draws, f"sampler {number}") % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls some of its options experimental
        match search.spec.sampler:
            case "gp":
                return samplers.GPSampler(seed=seed)
            case "cmaes":
                return samplers.CmaEsSampler(seed=seed)
            case "nsgaii":
                return samplers.NSGAIISampler(seed=seed)
            case "qmc":
                return samplers.QMCSampler(seed=seed, scramble=True)
            case "random":
                return samplers.RandomSampler(seed=seed)
    return tpe(seed)


def tpe(seed: int) -> BaseSampler:
    """Trials that run at once must not all try the same; conditional parameters are modelled by group."""
    from optuna.samplers import TPESampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def open_storage(url: str) -> BaseStorage:
    """What holds a study, by storage_url; made if it is not there."""
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if url.startswith(JOURNAL):
        return JournalStorage(JournalFileBackend(url.removeprefix(JOURNAL)))
    if url.startswith(SQLITE):
        return RDBStorage(url, engine_kwargs={"creator": functools.partial(_connect, url.removeprefix(SQLITE))})
    return RDBStorage(url)


def _connect(file: str) -> sqlite3.Connection:
    """A connection that waits for the disk once in a while instead of after each fold: what a power cut takes of the
    study is found again in the cells."""
    connection = sqlite3.connect(file, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection
