"""Folders of videos with a class per folder, and the official lists of UCF101 and HMDB51."""

import os
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold

from sklearn_claster.datasets import load_video_folder

UCF = {
    "HammerThrow": ["v_HammerThrow_g01_c01.avi", "v_HammerThrow_g01_c02.avi"],
    "Hammering": ["v_Hammering_g01_c01.avi", "v_Hammering_g02_c01.avi"],
    "YoYo": ["v_YoYo_g02_c01.avi", "v_YoYo_g01_c03.avi"],
}
HMDB = {
    "brush_hair": [
        "April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
        "April_09_brush_hair_u_nm_np1_ba_goo_1.avi",
        "Brushing__[_NEW_]_UPDATED!!!!_brush_hair_h_cm_np1_le_goo_1.avi",
    ],
    "pick": ["#122_Beach_pick_f_nm_np1_fr_med_1.avi", "April_09_pick_f_nm_np2_ri_bad_12.avi"],
}


def make(folder, files):
    for name, videos in files.items():
        (folder / name).mkdir(parents=True)
        for video in videos:
            (folder / name / video).touch()
    return folder


@pytest.fixture
def ucf(tmp_path):
    """Videos, and lists as they come: classes counted from 1, Windows line ends."""
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_bytes(b"1 Hammering\r\n2 HammerThrow\r\n3 YoYo\r\n")
    numbers = {"Hammering": 1, "HammerThrow": 2, "YoYo": 3}
    train = [f"{c}/{videos[-1]} {numbers[c]}" for c, videos in UCF.items()]
    test = [f"{c}/{videos[0]}" for c, videos in UCF.items()]
    (lists / "trainlist01.txt").write_bytes("\r\n".join([*train, ""]).encode())
    (lists / "testlist01.txt").write_bytes("\r\n".join([*test, ""]).encode())
    return make(tmp_path / "UCF-101", UCF), lists


@pytest.fixture
def hmdb(tmp_path):
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    for number, marks in ((1, "120"), (2, "211")):
        for name, videos in HMDB.items():
            lines = [f"{video} {mark} \n" for video, mark in zip(videos, marks, strict=False)]
            (lists / f"{name}_test_split{number}.txt").write_text("".join(lines))
    return make(tmp_path / "hmdb51_org", HMDB), lists


def test_a_class_per_folder_in_a_fixed_order(tmp_path):
    folder = make(tmp_path / "kinetics", {"yoga": ["b.mp4", "a.webm"], "archery": ["c.MKV"]})
    videos = load_video_folder(folder)
    assert [path[len(str(folder)) + 1 :] for path in videos.paths] == [
        "archery/c.MKV",
        "yoga/a.webm",
        "yoga/b.mp4",
    ]
    assert videos.target.tolist() == ["archery", "yoga", "yoga"]
    assert videos.class_names.tolist() == ["archery", "yoga"]
    assert videos.groups is videos.train is videos.test is None
    assert not videos.skipped
    assert ":Videos: 3" in videos.DESCR and ":Groups: not known" in videos.DESCR
    assert load_video_folder(str(folder)).paths.tolist() == videos.paths.tolist()


def test_hidden_files_and_loose_ones_are_passed_over(tmp_path):
    folder = make(tmp_path, {"yoga": ["a.mp4", "._a.mp4", ".DS_Store"], ".git": ["b.mp4"]})
    (tmp_path / "labels.csv").touch()
    videos = load_video_folder(folder)
    assert len(videos.paths) == 1 and videos.class_names.tolist() == ["yoga"]


def test_other_files_are_reported_and_left_out(tmp_path):
    folder = make(tmp_path, {"yoga": ["a.mp4", "notes.txt", "b.xvid"]})
    with pytest.warns(UserWarning, match=r"1 of 3 .*notes\.txt") as caught:
        videos = load_video_folder(folder, extensions=[".mp4", "XVID"])
    assert len(caught) == 1 and "extensions=" in str(caught[0].message)
    assert videos.skipped == ["yoga/notes.txt"]
    assert len(videos.paths) == 2


def test_groups_of_ucf101_are_of_one_class(ucf):
    videos = load_video_folder(ucf[0])
    assert_array_equal(
        videos.groups,
        ["HammerThrow_g01"] * 2 + ["Hammering_g01", "Hammering_g02", "YoYo_g01", "YoYo_g02"],
    )


def test_groups_of_hmdb51_are_films_whatever_the_class(hmdb):
    videos = load_video_folder(hmdb[0])
    named = dict(zip((path.rsplit("/")[-1] for path in videos.paths), videos.groups, strict=True))
    assert [named[name] for name in [*HMDB["brush_hair"], *HMDB["pick"]]] == [
        "April_09",
        "April_09",
        "Brushing__[_NEW_]_UPDATED!!!!",
        "#122_Beach",
        "April_09",
    ]


def test_groups_of_kinetics_are_films(tmp_path):
    clips = ["-3B32lodo2M_000059_000069.mp4", "-3B32lodo2M_000100_000110.mp4"]
    make(tmp_path, {"yoga": clips, "zumba": ["AAB32lo_o2M_000001_000011.mp4"]})
    assert load_video_folder(tmp_path).groups.tolist() == ["-3B32lodo2M"] * 2 + ["AAB32lo_o2M"]


def test_no_group_is_parted(ucf):
    videos = load_video_folder(ucf[0])
    for train, test in GroupKFold(3).split(videos.paths, groups=videos.groups):
        assert not set(videos.groups[train]) & set(videos.groups[test])


def test_a_file_without_a_group_is_its_own(tmp_path):
    make(tmp_path, {"YoYo": ["v_YoYo_g01_c01.avi", "mine.avi"], "Yoga": ["mine.avi"]})
    groups = load_video_folder(tmp_path).groups
    assert groups.tolist() == ["YoYo/mine", "YoYo_g01", "Yoga/mine"]


@pytest.mark.parametrize("extension", [".avi", ".mp4"])
def test_official_lists_of_ucf101(ucf, extension):
    folder, lists = ucf
    for path in list(folder.rglob("*.avi")):  # who has converted the videos has the lists' names
        path.rename(path.with_suffix(extension))
    videos = load_video_folder(folder, splits=lists)
    assert videos.class_names.tolist() == ["Hammering", "HammerThrow", "YoYo"]  # of classInd.txt
    names = [path.rsplit("/")[-1].split(".")[0] for path in videos.paths]
    assert [names[i] for i in videos.train] == [
        "v_HammerThrow_g01_c02",
        "v_Hammering_g02_c01",
        "v_YoYo_g01_c03",
    ]
    assert [names[i] for i in videos.test] == [
        "v_HammerThrow_g01_c01",
        "v_Hammering_g01_c01",
        "v_YoYo_g02_c01",
    ]


def test_official_lists_of_hmdb51(hmdb):
    videos = load_video_folder(hmdb[0], splits=hmdb[1])
    names = np.array([path.rsplit("/")[-1] for path in videos.paths])
    train, test = names[videos.train], names[videos.test]
    assert set(train) == {HMDB["brush_hair"][0], HMDB["pick"][0]}
    assert set(test) == {HMDB["brush_hair"][1], HMDB["pick"][1]}
    other = load_video_folder(hmdb[0], splits=hmdb[1], split=2)
    assert set(names[other.test]) == {HMDB["brush_hair"][0], HMDB["pick"][0]}
    assert len(other.train) == 3


def test_spaces_in_names_are_kept(tmp_path):
    make(tmp_path / "videos", {"ride bike": ["on my bike 1.avi", "two.avi"]})
    (tmp_path / "ride bike_test_split1.txt").write_text("on my bike 1.avi 1\ntwo.avi 2\n")
    videos = load_video_folder(tmp_path / "videos", splits=tmp_path)
    assert videos.train.tolist() == [0] and videos.test.tolist() == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf_8(tmp_path):
    make(tmp_path / "videos", {"yoga": []})
    name = b"\xfcbung.avi"
    os.close(os.open(os.path.join(os.fsencode(tmp_path), b"videos/yoga", name), os.O_CREAT))
    (tmp_path / "yoga_test_split1.txt").write_bytes(name + b" 1\n")
    assert load_video_folder(tmp_path / "videos", splits=tmp_path).train.tolist() == [0]


def swap(path, old, new):
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda videos, lists: (lists / "testlist01.txt").unlink(), "testlist01.txt"),
        (
            lambda videos, lists: (videos / "YoYo/v_YoYo_g01_c03.avi").unlink(),
            "all 6 .* 1 missing.*g01_c03",
        ),
        (lambda videos, lists: make(videos, {"Diving": ["a.avi"]}), "'Diving'"),
        (lambda videos, lists: swap(lists / "trainlist01.txt", "avi 3", "avi 2"), "YoYo.*3.*2"),
        (lambda videos, lists: swap(lists / "trainlist01.txt", "YoYo/", ""), "line 3"),
        (lambda videos, lists: swap(lists / "testlist01.txt", "g02_c01", "g01_c03"), "both"),
        (
            lambda videos, lists: swap(lists / "classInd.txt", "3 YoYo", "3 Yo-Yo"),
            "classInd.*Yo-Yo",
        ),
        (lambda videos, lists: swap(lists / "classInd.txt", "3 YoYo", "YoYo"), "classInd.*line 3"),
        (lambda videos, lists: (videos / "YoYo/v_YoYo_g02_c01.mp4").touch(), "v_YoYo_g02_c01"),
    ],
)
def test_lists_of_ucf101_that_do_not_fit(ucf, spoil, says):
    spoil(*ucf)
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        load_video_folder(ucf[0], splits=ucf[1])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (" 2 ", " 3 ", "0, 1 or 2"),
        (".avi 2", ".avi", "line 2"),
        ("goo_1", "goo_7", "1 missing.*goo_7.*line 2"),
    ],
)
def test_lists_of_hmdb51_that_do_not_fit(hmdb, old, new, says):
    swap(hmdb[1] / "brush_hair_test_split1.txt", old, new)
    with pytest.raises(ValueError, match=rf"brush_hair_test_split1\.txt.*{says}|{says}"):
        load_video_folder(hmdb[0], splits=hmdb[1])


def test_no_such_split(hmdb, ucf):
    for folder, lists in (hmdb, ucf):
        with pytest.raises(FileNotFoundError, match=r"trainlist07\.txt.*_test_split7\.txt"):
            load_video_folder(folder, splits=lists, split=7)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_video_folder(ucf[0], splits=ucf[1] / "nowhere")


def test_a_split_without_lists(ucf):
    with pytest.raises(ValueError, match=r"split=2 needs .*splits; got splits=None\. Pass"):
        load_video_folder(ucf[0], split=2)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*nothing"):
        load_video_folder(tmp_path / "nowhere")
    (tmp_path / "one.mp4").touch()
    with pytest.raises(FileNotFoundError, match=r"one\.mp4.*a file"):
        load_video_folder(tmp_path / "one.mp4")
    with pytest.raises(ValueError, match=r"a folder per class.*1 video.*one\.mp4"):
        load_video_folder(tmp_path)


def test_videos_beside_the_class_folders(tmp_path):
    make(tmp_path, {"yoga": ["a.mp4"]})
    (tmp_path / "loose.mp4").touch()
    with pytest.raises(ValueError, match=r"loose\.mp4"):
        load_video_folder(tmp_path)


def test_a_folder_without_videos(tmp_path):
    make(tmp_path, {"yoga": ["a.mp4"], "archery": ["a.txt"]})
    with pytest.raises(ValueError, match=r"videos in .*archery; it holds files '\.txt'\. Add"):
        load_video_folder(tmp_path)
    (tmp_path / "archery" / "a.txt").unlink()
    with pytest.raises(ValueError, match=r"videos in .*archery; it is empty\. Add"):
        load_video_folder(tmp_path)


def test_a_level_too_high(tmp_path):
    make(tmp_path / "train", {"yoga": ["a.mp4"]})
    make(tmp_path / "val", {"yoga": ["b.mp4"]})
    with pytest.raises(ValueError, match=r"train.*holds folders.*yoga"):
        load_video_folder(tmp_path)


def test_only_extensions_that_are_some(tmp_path):
    make(tmp_path, {"yoga": ["a.mp4"]})
    with pytest.raises(ValueError, match="extensions"):
        load_video_folder(tmp_path, extensions=".mp4")
    with pytest.raises(ValueError, match="extensions"):
        load_video_folder(tmp_path, extensions=[])
