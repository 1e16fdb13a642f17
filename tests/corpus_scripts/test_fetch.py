"""Getting corpora from a server of our own, and the data card: pytest tests/corpus_scripts/test_fetch.py."""

import gzip
import hashlib
import re
import socket
from pathlib import Path

import pytest
import srsly
from typer.testing import CliRunner
from weasel.schemas import ProjectConfigAssetURL, ProjectConfigSchema, validate
from weasel.util import load_project_config

from corpus_scripts.corpora import CORPORA
from corpus_scripts.corpora.i2b2 import I2B2
from corpus_scripts.corpora.mimic import MIMIC
from corpus_scripts.download import Patience, Unreachable, download
from corpus_scripts.fetch import PROJECT, app, find_file, is_laid_out, read_assets
from tests.corpus_scripts.file_server import FileServer

WHOLE = bytes(range(256)) * 4096  # 1 MiB
KNOWN = {corpus.name: corpus for corpus in (*CORPORA, *I2B2, *MIMIC) if corpus.access != "generated"}


def md5_of(data):
    return hashlib.md5(data).hexdigest()


MD5 = md5_of(WHOLE)


@pytest.fixture
def server():
    with FileServer({"/f.bin": WHOLE}) as running:
        yield running


def get(server, target, path="/f.bin", checksum=MD5, attempts=4, timeout=2.0):
    waits = []
    patience = Patience(attempts=attempts, pause=1.0, timeout=timeout)
    download(server.url + path, target, name="n", checksum=checksum, patience=patience, sleep=waits.append)
    return waits


def test_download_whole_file_at_once(server, tmp_path):
    target = tmp_path / "a" / "f.bin"
    assert get(server, target) == []
    assert target.read_bytes() == WHOLE
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("checksum", [md5_of(WHOLE), ""])
def test_download_goes_on_where_the_connection_broke(server, tmp_path, checksum):
    server.drop_after = [300_000, 300_000]
    get(server, tmp_path / "f.bin", checksum=checksum)
    assert (tmp_path / "f.bin").read_bytes() == WHOLE
    assert server.ranges[0] is None
    assert all(re.fullmatch(r"bytes=\d+-", wanted) and wanted != "bytes=0-" for wanted in server.ranges[1:])
    assert server.sent < len(WHOLE) * 1.5, "what had come was asked for again"
    assert [path.name for path in tmp_path.iterdir()] == ["f.bin"]


def test_download_goes_on_in_a_later_run(server, tmp_path):
    server.drop_after = [400_000] * 10
    server.accept_ranges = False
    with pytest.raises(ValueError, match=r"BC652.*f\.bin could not be fetched"):
        get(server, tmp_path / "f.bin", attempts=2)
    assert not (tmp_path / "f.bin").exists()
    assert (tmp_path / "f.bin.part").exists()
    server.drop_after, server.accept_ranges, server.sent = [], True, 0
    get(server, tmp_path / "f.bin")
    assert (tmp_path / "f.bin").read_bytes() == WHOLE
    assert server.sent < len(WHOLE)


def test_download_starts_over_where_the_server_has_no_ranges(server, tmp_path):
    server.drop_after, server.accept_ranges = [300_000], False
    get(server, tmp_path / "f.bin")
    assert (tmp_path / "f.bin").read_bytes() == WHOLE


def test_download_without_checksum_or_tag_never_joins_two_halves(server, tmp_path):
    server.etag = False
    (tmp_path / "f.bin.part").write_bytes(b"x" * 5000)
    get(server, tmp_path / "f.bin", checksum="")
    assert (tmp_path / "f.bin").read_bytes() == WHOLE
    assert server.ranges == [None]


def test_download_file_that_changed_meanwhile_is_fetched_anew(server, tmp_path):
    server.drop_after = [300_000]
    with pytest.raises(ValueError, match="BC652"):
        get(server, tmp_path / "f.bin", checksum="", attempts=1)
    other = WHOLE[::-1]
    server.files["/f.bin"] = other
    get(server, tmp_path / "f.bin", checksum="")
    assert (tmp_path / "f.bin").read_bytes() == other


@pytest.mark.parametrize("start", [5000, len(WHOLE), len(WHOLE) + 9])
def test_download_wrong_partial_file_is_noticed_and_fetched_anew(server, tmp_path, start):
    (tmp_path / "f.bin.part").write_bytes(b"x" * start)
    get(server, tmp_path / "f.bin")
    assert (tmp_path / "f.bin").read_bytes() == WHOLE


def test_download_wrong_checksum_leaves_nothing_and_is_not_tried_again(server, tmp_path):
    with pytest.raises(ValueError, match=r"BC652.*checksum"):
        get(server, tmp_path / "f.bin", checksum="0" * 32)
    assert list(tmp_path.iterdir()) == []
    assert len(server.ranges) == 1


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, 3), (503, 3), (429, 3)])
def test_download_answers_that_may_change_are_tried_again(server, tmp_path, status, requests):
    server.status = [status] * 9
    with pytest.raises(ValueError, match=rf"BC652.*{status}"):
        get(server, tmp_path / "f.bin", attempts=3)
    assert len(server.ranges) == requests


def test_download_waits_longer_each_time_and_then_succeeds(server, tmp_path):
    server.status = [500, 503, 502]
    assert get(server, tmp_path / "f.bin") == [1.0, 2.0, 4.0]
    assert (tmp_path / "f.bin").read_bytes() == WHOLE


def test_download_slow_server_is_given_up(server, tmp_path):
    server.delay = 1.0
    with pytest.raises(ValueError, match=r"BC652.*broke: TimeoutError|BC652.*no connection"):
        get(server, tmp_path / "f.bin", attempts=1, timeout=0.2)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_download_without_connection_says_so(tmp_path):
    with pytest.raises(Unreachable, match="BC652"):
        download(f"{closed_port()}/x", tmp_path / "x", name="n", patience=Patience(2), sleep=lambda _: None)
    with pytest.raises(ValueError, match="BC652"):
        download(f"file://{tmp_path}/x", tmp_path / "y", name="n")


# --- the command ----------------------------------------------------------------------------------------------------


def run(folder, assets, *arguments):
    project = folder / "project.yml"
    srsly.write_yaml(project, {"assets": assets})
    options = [
        "--project",
        str(project),
        "--output",
        str(folder / "data"),
        "--attempts",
        "1",
        "--timeout",
        "5",
    ]
    done = CliRunner().invoke(app, [*arguments, *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def asset(dest, server=None, **facts):
    url = {"url": server.url + "/f.bin"} if server else {}
    return {"dest": f"assets/{dest}", "description": f"what {Path(dest).name} is", **url, **facts}


def test_fetch_public_corpus_and_again(server, tmp_path):
    assets = [asset("bc5cdr/train.tsv", server, checksum=md5_of(WHOLE)), asset("bc5cdr/devel.tsv", server)]
    code, output = run(tmp_path, assets, "bc5cdr")
    assert code == 0
    assert "✔ bc5cdr: 2 file(s)" in output
    assert "1 without checksum" in output
    assert (tmp_path / "data" / "bc5cdr" / "train.tsv").read_bytes() == WHOLE
    assert run(tmp_path, assets, "bc5cdr")[0] == 0
    assert len(server.ranges) == 2, "what is there was fetched again"


def test_fetch_never_touches_a_file_that_is_there(server, tmp_path):
    (tmp_path / "data" / "bc5cdr").mkdir(parents=True)
    mine = tmp_path / "data" / "bc5cdr" / "train.tsv"
    mine.write_bytes(b"my own")
    code, output = run(tmp_path, [asset("bc5cdr/train.tsv", server, checksum=md5_of(WHOLE))], "bc5cdr")
    assert (code, mine.read_bytes(), server.ranges) == (1, b"my own", [])
    assert "is kept" in output
    assert "--force" in output
    wrong = [asset("bc5cdr/train.tsv", server, checksum="0" * 32)]
    assert run(tmp_path, wrong, "bc5cdr", "--force")[0] == 1
    assert mine.read_bytes() == b"my own", "replaced by a file that is not verified"
    assert (
        run(tmp_path, [asset("bc5cdr/train.tsv", server, checksum=md5_of(WHOLE))], "bc5cdr", "--force")[0]
        == 0
    )
    assert mine.read_bytes() == WHOLE
    mine.write_bytes(b"my own")
    assert run(tmp_path, [asset("bc5cdr/train.tsv", server)], "bc5cdr")[0] == 0
    assert mine.read_bytes() == b"my own"


@pytest.mark.parametrize(("content", "code"), [(WHOLE, 0), (b"other", 1)])
def test_fetch_compressed_file_counts_by_its_content(server, tmp_path, content, code):
    (tmp_path / "data" / "bc5cdr").mkdir(parents=True)
    (tmp_path / "data" / "bc5cdr" / "train.tsv.gz").write_bytes(gzip.compress(content))
    assert run(tmp_path, [asset("bc5cdr/train.tsv", server, checksum=md5_of(WHOLE))], "bc5cdr")[0] == code
    assert server.ranges == []


def test_fetch_failure_of_one_corpus_does_not_stop_the_others(server, tmp_path):
    bad = {"dest": "assets/hoc/x", "url": f"{server.url}/none", "description": "x"}
    code, output = run(tmp_path, [bad, asset("chemprot/train.jsonl", server)], "--all")
    assert code == 1
    assert "✘ hoc" in output
    assert "404" in output
    assert "✔ chemprot" in output


def test_fetch_unreachable_server_is_tried_once(tmp_path):
    url = closed_port()
    assets = [{"dest": f"assets/bc5cdr/{name}", "url": f"{url}/{name}", "description": "x"} for name in "abc"]
    code, output = run(tmp_path, assets, "bc5cdr")
    assert code == 1
    assert output.count("not tried") == 2


def test_fetch_credentialed_corpus_says_what_to_place_where(tmp_path):
    assets = [asset("physionet_deid/id.text"), asset("physionet_deid/id.res")]
    code, output = run(tmp_path, assets, "physionet_deid")
    assert code == 1
    for name in ("id.text", "id.res"):
        assert f"place {tmp_path / 'data' / 'physionet_deid' / name}: what {name} is" in output
    assert KNOWN["physionet_deid"].access in output
    (tmp_path / "data" / "physionet_deid").mkdir(parents=True)
    for name in ("id.text", "id.res"):
        (tmp_path / "data" / "physionet_deid" / name).touch()
    assert run(tmp_path, assets, "physionet_deid")[0] == 0


def test_fetch_offline_uses_no_network_and_says_one_line_a_corpus(server, tmp_path):
    assets = [
        asset("bc5cdr/train.tsv", server),
        asset("physionet_deid/id.text"),
        asset("chemprot/train.jsonl", server),
    ]
    (tmp_path / "data" / "chemprot").mkdir(parents=True)
    (tmp_path / "data" / "chemprot" / "train.jsonl").touch()
    code, output = run(tmp_path, assets, "--all", "--offline")
    assert code == 1
    assert server.ranges == []
    lines = output.strip().split("\n")
    assert [line.split(":")[0] for line in lines] == ["✘ bc5cdr", "✘ physionet_deid", "✔ chemprot"]
    assert run(tmp_path, assets, "chemprot", "--offline")[0] == 0


def test_fetch_list_tells_what_is_there(tmp_path):
    (tmp_path / "data" / "hoc").mkdir(parents=True)
    (tmp_path / "data" / "hoc" / "hoc.jsonl.xz").touch()
    code, output = run(tmp_path, [asset("bc5cdr/train.tsv"), asset("hoc/raw.zip")], "list")
    assert code == 0
    rows = {line.split()[0]: line for line in output.strip().split("\n")}
    assert re.search(r"ner\s+0/1\s+public", rows["bc5cdr"])
    assert re.search(r"yes\s+public; GPL", rows["hoc"])  # the converter finds what it reads


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("deid",)])
def test_fetch_without_a_corpus_it_knows_is_refused(tmp_path, arguments):
    code, output = run(tmp_path, [asset("bc5cdr/x")], *arguments)
    assert code == 1
    assert re.search("BC622|BC613|BC654", output)


@pytest.mark.parametrize("dest", ["/etc/x/y", "assets/../x/y", "assets/x", "data/x/y"])
def test_fetch_asset_outside_its_folder_is_refused(tmp_path, dest):
    code, output = run(tmp_path, [{"dest": dest}], "--all")
    assert code == 1
    assert "BC654" in output


# --- the data card --------------------------------------------------------------------------------------------------


def test_card_names_every_corpus_of_the_table_and_no_other():
    assert {found.corpus for found in read_assets(PROJECT)} == set(KNOWN)


def test_card_tells_source_licence_and_access_and_fits_the_schema():
    raw = srsly.read_yaml(PROJECT)
    assert validate(ProjectConfigSchema, raw) == []
    assert len(load_project_config(PROJECT.parent)["assets"]) == len(raw["assets"])
    for entry in raw["assets"]:
        assert validate(ProjectConfigAssetURL, entry) == []
        assert entry["extra"] is True, "`spacy project assets` alone would download it"
        assert set(entry) <= {"dest", "url", "checksum", "description", "extra"}
        assert entry["description"].count(";") >= 1
        assert "\n" not in entry["description"]
        assert re.fullmatch(r"[0-9a-f]{32}|", entry.get("checksum", ""))
        if "github" in entry.get("url", "") and "/releases/" not in entry["url"]:
            assert re.search(r"/[0-9a-f]{40}[/.]", entry["url"]), "the address names no commit"
        corpus = KNOWN[entry["dest"].split("/")[1]]
        assert "url" not in entry or corpus.access.startswith("public")


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_card_files_are_those_the_converter_reads(tmp_path, name):
    """With every file of the card in place (archives unpacked as they lie inside), the converter finds its parts."""
    inside = {"chemprot_blue": [f"ChemProt/{part}.tsv" for part in ("train", "dev", "test")]}
    inside |= {"social_history": ["train/a.ann", "dev/a.ann"], "cos": ["data/a.ann"]}
    files = [str(found.path.relative_to(name)) for found in read_assets(PROJECT) if found.corpus == name]
    for file in inside.get(name, files):
        path = tmp_path / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert is_laid_out(KNOWN[name], tmp_path)


def test_card_checksums_are_those_of_the_local_copies():
    corpora = PROJECT.parents[1] / "shared" / "corpora"
    if not corpora.is_dir():
        pytest.skip("the real corpora are not here (looked for ../shared/corpora beside the project)")
    from corpus_scripts.fetch import content_md5, md5

    folders = {"bc5cdr": "bio/BC5CDR-IOB", "ncbi_disease": "bio/NCBI-disease-IOB"}
    compared = 0
    for found in read_assets(PROJECT):
        path = find_file(corpora / folders.get(found.corpus, found.corpus) / found.path.name)
        if found.checksum and path:
            assert found.checksum == (md5(path) if path.name == found.path.name else content_md5(path))
            compared += 1
    assert compared == sum(bool(found.checksum) for found in read_assets(PROJECT))
