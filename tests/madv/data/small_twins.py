"""A handful of clips of each data set, in the form of its annotation file, and their twins."""

from __future__ import annotations

import csv
from pathlib import Path

from madv.data.twins import synthesize

TABLES = {
    "casme2": """
Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion
01,EP02_01f,,8,10,12,,12,happiness
01,EP19_05,,99,101,103,,4+7+L10,disgust
17,EP05_02,,5,/,9,,4,others""",
    "samm": """
Subject,Filename,Inducement Code,Onset Frame,Apex Frame,Offset Frame,Duration,Action Units,Estimated Emotion,Notes
6,6_1_2,1,998,1000,1002,5,4+7,Anger,
011,011_2_1,1,998,999,1001,4,R12A,Contempt,
032,032_3_1,1,4926,1930,4932,7,T18+39,Other,""",
    "smic": """
Subject,Filename,,OnsetF,OffsetF,Onset2F,Offset2F,FirstF,LastF,Emotion
1,s1_ne_01,,559740,559744,,,559000,560000,negative
20,s20_sur_01,,17581039,17581042,,,17581000,17582000,surprise""",
    "casme_sq": """
1,anger1_1,996,998,1001,4+10+14,negative,macro-expression,anger
1,anger1_2,1000,1002,0,38,others,micro-expression,sadness
22,disgust1_1,1,2,4,9,negative,micro-expression,disgust""",
}
"""Lost zeros, a missing apex, a wrong one, a missing offset, and two clips that overlap are among them."""

FILES = {
    "casme2": {
        "Cropped/sub01/EP02_01f": [f"reg_img{n}.jpg" for n in (8, 9, 10, 11, 12)],
        "Cropped/sub01/EP19_05": [f"reg_img{n}.jpg" for n in (99, 100, 101, 102, 103)],
        "Cropped/sub17/EP05_02": [f"reg_img{n}.jpg" for n in (5, 6, 7, 8, 9)],
    },
    "samm": {
        "SAMM/006/006_1_2": [f"006_0{n}.jpg" for n in ("0998", "0999", "1000", "1001", "1002")],
        "SAMM/011/011_2_1": [f"011_{n}.jpg" for n in ("0998", "0999", "1000", "1001")],
        "SAMM/032/032_3_1": [f"032_0{n}.jpg" for n in range(4926, 4933)],
    },
    "smic": {
        "HS/s01/micro/negative/s01_ne_01": [f"image{n}.jpg" for n in range(559740, 559745)],
        "HS/s01/micro/negative/s01_ne_02": [f"image{n}.jpg" for n in range(560744, 560778)],  # not in the table
        "HS/s20/micro/surprise/s20_sur_01": [f"image{n}.jpg" for n in range(17581039, 17581043)],
    },
    "casme_sq": {
        "rawpic/s15/15_0401girlcrashing": [f"img{n}.jpg" for n in (*range(996, 1000), *range(1000, 1005))],
        "rawpic/s40/40_0101disgustingteeth": [f"img{n}.jpg" for n in ("001", "002", "003", "004")],
    },
}
"""What the twins hold."""


def annotation_file(kind: str, folder: Path) -> Path:
    """The table as a CSV file."""
    file = folder / f"{kind}.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(csv.reader(TABLES[kind].strip().splitlines()))
    return file


def small_twin(kind: str, folder: Path, size: int = 16) -> Path:
    """The folder of a twin."""
    synthesize(kind, annotation_file(kind, folder), folder / "twin", size=size)
    return folder / "twin"
