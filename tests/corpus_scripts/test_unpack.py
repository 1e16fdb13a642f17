"""Archives are not trusted: pytest tests/corpus_scripts/test_unpack.py."""

import io
import os
import stat
import tarfile
import zipfile

import pytest
import srsly
from hypothesis import HealthCheck, given, settings
from typer.testing import CliRunner

from corpus_scripts.fetch import app
from corpus_scripts.unpack import unpack
from tests.corpus_scripts.file_server import FileServer
from tests.corpus_scripts.fuzzing import damaged

FILES = {
    "top/a.txt": b"one\r\n",
    "top/sub/b.ann": b"two",
    "__MACOSX/top/._a.txt": b"x",
    "top/.DS_Store": b"x",
}


def zipped(files, links=()):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for name in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return data.getvalue()


def tarred(files, links=()):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return data.getvalue()


MAKERS = pytest.mark.parametrize(("make", "ending"), [(zipped, ".zip"), (tarred, ".tar.gz")])


def put(folder, data, ending):
    folder.mkdir(exist_ok=True)
    path = folder / f"corpus{ending}"
    path.write_bytes(data)
    return path


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@MAKERS
def test_unpack_files_without_the_folder_around_them_and_without_junk(tmp_path, make, ending):
    out = tmp_path / "out"
    assert unpack(put(tmp_path / "in", make(FILES), ending), out, name="n") == (2, 0)
    assert tree(out) == {"a.txt": b"one\r\n", "sub/b.ann": b"two"}


@MAKERS
def test_unpack_keeps_files_that_are_there(tmp_path, make, ending):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.txt").write_bytes(b"my own")
    assert unpack(put(tmp_path / "in", make(FILES), ending), out, name="n") == (1, 1)
    assert tree(out) == {"a.txt": b"my own", "sub/b.ann": b"two"}


@MAKERS
@pytest.mark.parametrize("evil", ["../x", "/x", "a/../../x", "a\\..\\x", "C:/x"])
def test_unpack_path_that_leaves_the_folder_is_refused_before_anything_is_written(
    tmp_path, make, ending, evil
):
    with pytest.raises(ValueError, match="BC653"):
        unpack(put(tmp_path / "in", make({"good": b"x", evil: b"y"}), ending), tmp_path / "out", name="n")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@MAKERS
def test_unpack_links_are_refused(tmp_path, make, ending):
    with pytest.raises(ValueError, match=r"BC653.*link"):
        unpack(put(tmp_path / "in", make({"good": b"x"}, ["bad"]), ending), tmp_path / "out", name="n")
    assert not (tmp_path / "out").exists()


@MAKERS
def test_unpack_does_not_follow_a_link_in_the_folder(tmp_path, make, ending):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "sub").symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"BC653.*link"):
        unpack(put(tmp_path / "in", make(FILES), ending), out, name="n")
    assert list(elsewhere.iterdir()) == []


@MAKERS
def test_unpack_empty_archive_is_refused(tmp_path, make, ending):
    with pytest.raises(ValueError, match="BC653"):
        unpack(put(tmp_path / "in", make({}), ending), tmp_path / "out", name="n")


@pytest.mark.parametrize(("make", "ending"), [(zipped, ".zip"), (tarred, ".tar.gz")])
def test_unpack_damaged_archive_is_refused_or_whole(tmp_path, make, ending):
    folder = tmp_path / "in"

    @given(damaged(make(FILES)))
    @settings(
        max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def check(data):
        out = tmp_path / "out"
        refused = ""
        try:
            unpack(put(folder, data, ending), out, name="n")
        except ValueError as error:
            refused = str(error)
        assert refused.startswith("[BC653]" if refused else "")
        assert [path.name for path in tmp_path.iterdir() if path.name not in ("in", "out")] == []
        assert not [path for path in out.rglob("*") if path.name.endswith(".part")]

    check()


def test_fetch_unpacks_an_archive_beside_it_and_only_once(tmp_path):
    project, data = tmp_path / "project.yml", tmp_path / "data"
    with FileServer(
        {"/c.zip": zipped({"data/s.txt": b"x", "data/s.ann": b"y"}), "/bad.zip": b"PK no"}
    ) as server:

        def run(dest, path):
            entry = {"dest": dest, "url": server.url + path, "description": "x; y"}
            srsly.write_yaml(project, {"assets": [entry]})
            arguments = [
                dest.split("/")[1],
                "--project",
                str(project),
                "--output",
                str(data),
                "--attempts",
                "1",
            ]
            return CliRunner().invoke(app, arguments)

        done = run("assets/cos/c.zip", "/c.zip")
        assert done.exit_code == 0
        assert "2 file(s) unpacked, 0 there already" in done.output
        assert set(tree(data / "cos")) == {"c.zip", "s.txt", "s.ann"}
        (data / "cos" / "s.ann").write_bytes(b"corrected by hand")
        assert run("assets/cos/c.zip", "/c.zip").exit_code == 0
        assert (data / "cos" / "s.ann").read_bytes() == b"corrected by hand"
        assert len(server.ranges) == 1
        done = run("assets/hoc/bad.zip", "/bad.zip")
        assert done.exit_code == 1
        assert "BC653" in done.output
