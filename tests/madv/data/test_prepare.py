"""From folders of frames to the clip cache: what it holds, when it is made anew, what stays when something breaks."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from madv.config_data import AuConfig, ClipConfig, DepthConfig, ManifestConfig
from madv.config_model import StreamsConfig
from madv.data import cache, prepare, prepare_clip, prepare_store
from madv.data.dataset_facts import check_streams
from madv.data.prepare_note import prepared
from madv.errors import DataError

CLIPS, FIRST, LAST = 4, 98, 102
CLIP = ClipConfig(frames=5, size=16)


@pytest.fixture
def home(tmp_path):
    """Clips c0..c3 of two subjects, frames 98..102; clip c's frame f is grey level 100 + 10 c + (f - 98)."""
    home = tmp_path / "own"
    rows = []
    for clip in range(CLIPS):
        folder = home / "frames" / f"c{clip}"
        folder.mkdir(parents=True)
        for number in range(FIRST, LAST + 1):
            save_frame(home, clip, number)
        units = ("4+L10", "12", "", "R4?")[clip]
        rows.append(
            [f"c{clip}", f"s{clip % 2}", ("happy", "sad")[clip // 2], f"frames/c{clip}", FIRST, "", LAST, units]
        )
    with (home / "table.csv").open("w", newline="") as lines:
        header = ["sample_id", "subject", "emotion", "frames", "onset", "apex", "offset", "action_units"]
        csv.writer(lines).writerows([header, *rows])
    return home


def save_frame(home, clip, number, left=None):
    pixels = np.full((20, 24, 3), 100 + 10 * clip + number - FIRST, dtype=np.uint8)
    if left is not None:
        pixels[:, :12] = left
    Image.fromarray(pixels).save(home / "frames" / f"c{clip}" / f"img{number}.png")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "clips"


def config(home, **settings):
    return ManifestConfig(path=str(home), **{"clip": CLIP, **settings})


def problems(call, *arguments):
    with pytest.raises(DataError) as caught:
        call(*arguments)
    return [str(problem) for problem in caught.value.problems]


def count_makes(monkeypatch):
    made = []
    make = prepare_clip.make_clip
    monkeypatch.setattr(
        prepare_clip, "make_clip", lambda job, recipe: (made.append(job.sample_id), make(job, recipe))[1]
    )
    return made


def test_what_the_cache_holds(home, root):
    clips = cache.load(config(home), root)
    assert clips.streams["texture"].shape == (CLIPS, 3, 5, 16, 16)
    assert isinstance(clips.streams["texture"], np.memmap)
    # Centred on the onset frame: a grey level more with every frame, in units of 128.
    signal = clips.signal("texture", np.arange(CLIPS))
    np.testing.assert_allclose(signal, np.broadcast_to(np.arange(5)[:, None, None] / 128, signal.shape))
    assert clips.streams["au"].shape == (CLIPS, 16, 5)
    targets = dict(zip(clips.au_names, clips.au_targets.T.tolist(), strict=True))
    assert (targets["AU4"], targets["AU10"], targets["AU12"]) == ([1, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0])
    assert clips.manifest[["first_frame", "last_frame"]].values.tolist() == [[FIRST, LAST]] * CLIPS
    assert clips.class_names == ("happy", "sad")
    assert clips.subjects.tolist() == ["s0", "s1", "s0", "s1"]


def test_half_precision_and_bytes_are_the_same_clip(home, root):
    save_frame(home, 1, 100, left=250)
    stored = [
        cache.load(config(home, clip=ClipConfig(frames=8, size=16, storage=storage)), root).signal("texture", [1])
        for storage in ("uint8", "float16")
    ]
    assert 0 < np.abs(stored[0] - stored[1]).max() < 0.75 / 128


def test_prepared_once_and_opened_without_decoding(home, root, monkeypatch):
    made = count_makes(monkeypatch)
    first = cache.load(config(home), root)
    assert made == ["c0", "c1", "c2", "c3"]
    assert cache.describe(config(home), root).fingerprint == first.fingerprint
    prepare.prepare(config(home), root)
    assert cache.load(config(home), root).fingerprint == first.fingerprint
    assert len(made) == CLIPS
    assert [path.name for path in root.iterdir() if not path.name.startswith(".")] == [
        prepared(config(home), root).name
    ]


def test_a_changed_file_or_setting_is_another_cache(home, root, monkeypatch):
    seen = {cache.load(config(home), root).fingerprint}
    assert cache.load(config(home, clip=ClipConfig(frames=4, size=16)), root).fingerprint not in seen
    seen.add(cache.load(config(home, clip=ClipConfig(frames=4, size=16)), root).fingerprint)
    frame = home / "frames" / "c1" / "img100.png"
    frame.unlink()
    save_frame(home, 1, 100, left=0)
    assert cache.load(config(home), root).fingerprint not in seen
    seen.add(cache.load(config(home), root).fingerprint)
    table = home / "table.csv"
    table.write_text(table.read_text().replace("c3,s1,sad", "c3,s1,happy"))
    assert cache.load(config(home), root).fingerprint not in seen


def test_a_frame_overwritten_in_place_is_found_by_prepare(home, root):
    before = prepared(config(home), root) or prepare.prepare(config(home), root)
    frame = home / "frames" / "c1" / "img100.png"
    stat = frame.stat()
    os.utime(frame, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert prepared(config(home), root) == before
    after = prepare.prepare(config(home), root)
    assert after != before
    assert prepared(config(home), root) == after


def test_an_unplugged_data_set_is_still_prepared(home, root):
    fingerprint = cache.load(config(home), root).fingerprint
    home.rename(home.with_name("elsewhere"))
    assert cache.load(config(home), root).fingerprint == fingerprint
    (message,) = problems(prepare.prepare, config(home), root)
    assert message.startswith(f"{home}: is no folder")


def test_several_problems_at_once_each_with_file_and_row(home, root):
    frames = home / "frames"
    (frames / "c0" / "img100.png").unlink()
    for frame in (frames / "c1").iterdir():
        frame.unlink()
    table = home / "table.csv"
    table.write_text(table.read_text().replace("frames/c2,98,,102", "frames/c2,98,,120"))
    found = problems(cache.load, config(home), root)
    way = "restore them, mend the annotation, or set dataset.clip.missing=blend"
    there = "(the frames there are 98 to 102)"
    assert found == [
        f"{table}, row 2: clip c0 in {frames}/c0: frames 100 of onset 98 to offset 102 are missing {there}; {way}",
        f"{frames}/c1: holds no frames: the folder is empty (.jpg, .jpeg, .png, .bmp) (clip c1, {table}, row 3)",
        f"{table}, row 4: clip c2 in {frames}/c2: frames 103-120 of onset 98 to offset 120 are missing {there}; {way}",
    ]
    assert not root.exists()


def test_paths_and_links_that_lead_out_are_refused(home, root, tmp_path):
    frames, table = home / "frames", home / "table.csv"
    (frames / "c1").rename(tmp_path / "c1")
    (frames / "c1").symlink_to(tmp_path / "c1")
    for number in (98, 100):
        (frames / "c2" / f"img{number}.png").unlink()
        (frames / "c2" / f"img{number}.png").symlink_to("/etc/passwd")
    (frames / "c3" / "img99.png").unlink()
    (frames / "c3" / "img99.png").symlink_to(frames / "c3" / "img98.png")  # a link within is the user's own choice
    way = "copy there what it leads to, or name a folder that holds both"
    assert problems(cache.load, config(home), root) == [
        f"{frames}/c1: leads out of {home}, to {tmp_path}/c1; {way} (clip c1, {table}, row 3)",
        f"{frames}/c2/img98.png: leads out of {home}, to /etc/passwd; {way} (clip c2, {table}, row 4)",
        f"{frames}/c2/img100.png: leads out of {home}, to /etc/passwd; {way} (clip c2, {table}, row 4)",
    ]
    assert not root.exists()
    (tmp_path / "depth/frames").mkdir(parents=True)
    (tmp_path / "depth/frames/c0").symlink_to(frames / "c0")
    found = problems(cache.load, config(home, depth=DepthConfig(source="folder", path=str(tmp_path / "depth"))), root)
    assert found[0].startswith(f"{tmp_path}/depth/frames/c0: leads out of {tmp_path}/depth, to {frames}/c0; ")
    table.write_text(table.read_text().replace("c0,s0", "../c0,s0"))
    (tmp_path / "units").mkdir()
    (tmp_path / "c0.csv").touch()
    found = problems(cache.load, config(home, au=AuConfig(source="openface", path=str(tmp_path / "units"))), root)
    assert f"leads out of {tmp_path}/units, to {tmp_path}/c0.csv" in found[0]


def test_missing_frames_are_blended_on_demand_and_noted(home, root):
    (home / "frames" / "c0" / "img100.png").unlink()
    clips = cache.load(config(home, clip=ClipConfig(frames=5, size=16, missing="blend")), root)
    np.testing.assert_allclose(clips.signal("texture", [0])[0, 0, :, 0, 0], np.arange(5) / 128)
    assert clips.manifest["notes"].tolist()[0] == "frames 100 are missing"


def test_one_broken_frame_costs_one_clip(home, root, monkeypatch):
    frame = home / "frames" / "c2" / "img100.png"
    whole = frame.read_bytes()
    frame.write_bytes(whole[:60])
    (message,) = problems(cache.load, config(home), root)
    assert message.startswith(f"{frame}: cannot be decoded: ")
    assert message.endswith(f"(clip c2, {home / 'table.csv'}, row 4)")
    frame.write_bytes(whole)
    made = count_makes(monkeypatch)
    assert cache.load(config(home), root).streams["texture"].shape[0] == CLIPS
    assert made == ["c2"]


def test_a_killed_preparation_goes_on_where_it_stopped(home, root, monkeypatch):
    make = prepare_clip.make_clip

    def die(job, recipe):
        if job.row == 2:
            raise KeyboardInterrupt
        return make(job, recipe)

    monkeypatch.setattr(prepare_clip, "make_clip", die)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(config(home), root)
    assert prepared(config(home), root) is None
    (making,) = (path for path in root.iterdir() if path.is_dir())
    prepare_store.write_row(making, "texture", 0, np.zeros((3, 5, 16, 16)))  # as if its writing had been cut short
    with (making / prepare_store.LOG).open("a") as log:
        log.write('{"stage": "deco')
    monkeypatch.setattr(prepare_clip, "make_clip", make)
    made = count_makes(monkeypatch)
    resumed = cache.load(config(home), root)
    assert made == ["c0", "c2", "c3"]
    assert resumed.fingerprint == cache.load(config(home), root.with_name("other")).fingerprint


def test_a_cache_with_a_flipped_byte_is_made_again(home, root):
    folder = prepare.prepare(config(home), root)
    before = cache.load(config(home), root).fingerprint
    data = bytearray((folder / "texture.npy").read_bytes())
    data[-1] ^= 1
    (folder / "texture.npy").write_bytes(data)
    assert prepare.prepare(config(home), root) == folder
    streams = {name: np.load(folder / f"{name}.npy") for name in ("texture", "au")}
    assert streams["texture"].tobytes()[-1] != data[-1]
    (folder / "texture.npy").write_bytes(data[:100])
    assert cache.load(config(home), root).fingerprint == before


def test_a_full_disk_is_one_message_and_keeps_what_is_there(home, root, monkeypatch):
    kept = cache.load(config(home, clip=ClipConfig(frames=2, size=16)), root).fingerprint

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        (message,) = problems(cache.load, config(home), root)
    assert message == f"{root}: cannot write the clip cache of 0.0 MB: No space left on device"
    assert not any(path.is_dir() and path.name.startswith(".making") for path in root.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(prepare_clip, "write_row", full)
        (message,) = problems(cache.load, config(home), root)
    assert message.endswith("No space left on device; what has been prepared is kept: make room and run it again")
    assert cache.load(config(home, clip=ClipConfig(frames=2, size=16)), root).fingerprint == kept
    assert len(cache.load(config(home), root).manifest) == CLIPS


def _fingerprint(home, root):
    program = (
        "import sys; from pathlib import Path; from madv.data import cache;"
        "from madv.config_data import ClipConfig, ManifestConfig;"
        "config = ManifestConfig(path=sys.argv[1], clip=ClipConfig(frames=5, size=16));"
        "print(cache.load(config, Path(sys.argv[2])).fingerprint)"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(home), str(root)], stdout=subprocess.PIPE, text=True)


def test_several_makers_at_once(home, root):
    makers = [_fingerprint(home, root) for _ in range(2)]
    found = {maker.communicate()[0] for maker in makers}
    assert found == {f"{cache.load(config(home), root).fingerprint}\n"}
    assert [path for path in root.iterdir() if ".making" in path.name] == []


def test_processes_make_what_one_process_makes(home, root, monkeypatch):
    alone = cache.load(config(home), root).fingerprint
    monkeypatch.setattr("madv.data.prepare_pool.FEWEST", 2)
    other = root.with_name("other")
    told = []
    prepare.prepare(config(home), other, lambda *state: told.append(state), processes=2)
    assert cache.load(config(home), other).fingerprint == alone
    assert told == [("decoding", done, CLIPS) for done in range(CLIPS + 1)]


def test_estimated_units_and_targets_of_the_same_names(home, root):
    for clip in range(CLIPS):
        rows = "\n".join(f"{row},{row * clip},1.0" for row in range(1, 6))
        (home / f"c{clip}.csv").write_text(f"frame, AU04_r, AU17_r\n{rows}\n")
    openface = AuConfig(source="openface", path=str(home), order="numbers")
    clips = cache.load(config(home, au=openface), root)
    assert clips.au_names == ("AU4", "AU17")
    assert clips.streams["au"][2].tolist() == [[2, 4, 6, 8, 10], [1, 1, 1, 1, 1]]
    assert clips.au_targets.tolist() == [[1, 0], [0, 0], [0, 0], [1, 0]]
    table = home / "table.csv"
    plain = table.read_text().splitlines()
    table.write_text(
        "\n".join([f"{plain[0]},estimates", *(f"{line},c{row}.csv" for row, line in enumerate(plain[1:]))])
    )
    named = cache.load(config(home, au=AuConfig(source="openface", order="numbers")), root)
    assert (named.streams["au"] == clips.streams["au"]).all()
    table.write_text("\n".join(plain))
    (home / "c3.csv").write_text("frame, AU04_r\n1,1\n2,1\n3,1\n4,1\n5,1\n")
    (message,) = problems(cache.load, config(home, au=openface), root)
    assert "c3.csv: has AU4; other clips have AU4, AU17; estimate them alike (clip c3, " in message


def test_streams_that_are_not_asked_for(home, root):
    table = home / "table.csv"
    table.write_text(table.read_text().replace("4+L10", "").replace(",12\n", ",\n").replace("R4?", ""))
    clips = cache.load(config(home, au=AuConfig(source="none")), root)
    assert set(clips.streams) == {"texture"}
    assert (clips.au_targets, clips.au_names) == (None, ())
    found = check_streams(cache.describe(config(home, au=AuConfig(source="none")), root), StreamsConfig())
    assert [str(problem).partition(": set ")[2] for problem in found] == [
        "model.streams.depth=false or dataset.depth.source=depth_anything",
        "model.streams.au=false or dataset.au.source=flow",
    ]


def test_depth_from_a_folder_and_its_controls(home, root):
    for clip in range(CLIPS):
        folder = home / "depth" / "frames" / f"c{clip}"
        folder.mkdir(parents=True)
        for number in range(FIRST, LAST + 1):
            ramp = np.arange(20, dtype=np.float32)[:, None] * np.ones((1, 20), np.float32)
            np.save(folder / f"img{number}.npy", (clip + 1) * ramp + (number - FIRST) * clip)
    path = str(home / "depth")

    def depth(**settings):
        return cache.load(config(home, depth=DepthConfig(**settings)), root).streams["depth"].astype(np.float32)

    own = depth(source="folder", path=path)
    assert own.shape == (CLIPS, 1, 5, 16, 16)
    np.testing.assert_allclose(own[:, 0, 0].std(axis=(1, 2)), 1, atol=0.01)
    assert (np.diff(own[3, 0, :, 8, 8]) > 0).all()
    shuffled = depth(source="shuffled", path=path)
    assert {row.tobytes() for row in shuffled} == {row.tobytes() for row in own}
    assert all((one != other).any() for one, other in zip(own, shuffled, strict=True))
    assert (depth(source="zero") == 0).all()
    assert depth(source="luminance").shape == own.shape
    table = home / "table.csv"
    listed = [f"{line},depth/{line.split(',')[3]}" for line in table.read_text().splitlines()[1:]]
    named = "\n".join([f"{table.read_text().splitlines()[0]},depth", *listed])
    table.write_text(named.replace("depth/frames/c1", "depth/one"))
    (home / "depth/frames/c1").rename(home / "depth/one")
    np.testing.assert_array_equal(depth(source="folder"), own)
    (home / "depth/one").rename(home / "depth/frames/c1")
    table.write_text("\n".join(line.rpartition(",")[0] for line in named.splitlines()))
    (home / "depth" / "frames" / "c1" / "img99.npy").unlink()
    (message,) = problems(cache.load, config(home, depth=DepthConfig(source="folder", path=path)), root)
    assert "has no depth of frames [99]; make it" in message
    (message,) = problems(cache.load, config(home, depth=DepthConfig(source="folder")), root)[:1]
    assert message.startswith("dataset.depth.path: must be a folder, not None")


def test_opening_takes_milliseconds_and_no_memory(home, root):
    cache.load(config(home), root)
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        cache.load(config(home), root)
        best = min(best, time.perf_counter() - started)
    assert best < 0.05


def test_facts_tell_where_the_clips_come_from(home, root):
    facts = cache.describe(config(home), root).facts
    assert facts["files"] == ["table.csv"]
    assert (facts["depth"], facts["au"], facts["align"]) == ("none", "flow", "none")
    assert json.dumps(facts)
    assert Path(facts["files"][0]).name == facts["files"][0]
