import json
import shutil

import pytest
import torch
from torch import nn

from pretrain.checkpoints import Checkpoint, check_same_run, latest_checkpoint, restore, save_checkpoint
from pretrain.optimizer import make_optimizer


def trained(seed, n_steps=3):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    optimizer = make_optimizer(model, lr=0.1, betas=(0.9, 0.98), eps=1e-6, weight_decay=1e-5)
    for _ in range(n_steps):
        step(model, optimizer)
    return model, optimizer


def newest_in(folder) -> Checkpoint:
    checkpoint = latest_checkpoint(folder)
    assert checkpoint is not None
    return checkpoint


def step(model, optimizer):
    torch.manual_seed(7)
    model(torch.randn(5, 4)).pow(3).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def save(folder, number, seed=0, **settings):
    model, optimizer = trained(seed)
    return save_checkpoint(folder, model, optimizer, {"step": number, "run": {"seed": 0}}, **settings)


def test_restored_run_goes_on_bit_for_bit(tmp_path):
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, model, optimizer, {"step": 3})
    other, other_optimizer = trained(99, n_steps=0)
    restore(newest_in(tmp_path), other, other_optimizer)
    for _ in range(3):
        step(model, optimizer)
        step(other, other_optimizer)
    for mine, theirs in zip(model.parameters(), other.parameters()):
        assert torch.equal(mine, theirs)


def test_newest_is_found_and_old_ones_are_dropped(tmp_path):
    for number in (1, 2, 10):
        save(tmp_path, number, keep=2)
    assert newest_in(tmp_path).state["step"] == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000000002", "step-0000000010"]


def test_no_checkpoint_is_none(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "missing") is None


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "flipped"])
def test_damaged_checkpoint_is_passed_over_then_refused(tmp_path, name, damage):
    save(tmp_path, 1)
    newest = save(tmp_path, 2)
    for place, expected in ((newest, 1), (tmp_path / "step-0000000001", None)):
        content = (place / name).read_bytes()
        if damage == "gone":
            (place / name).unlink()
        else:
            half = len(content) // 2
            changed = content[:half] + (
                b"" if damage == "cut" else bytes([content[half] ^ 255]) + content[half + 1 :]
            )
            (place / name).write_bytes(changed)
        if expected is None:
            with pytest.raises(ValueError, match="BC715"):
                latest_checkpoint(tmp_path)
        else:
            assert newest_in(tmp_path).state["step"] == expected


def test_failed_write_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, 1)
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000001"]
    assert newest_in(tmp_path).state["step"] == 1


def test_optimizer_file_cannot_run_code(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (shutil.rmtree, (str(tmp_path / "victim"),))

    (tmp_path / "victim").mkdir()
    place = save(tmp_path, 1)
    torch.save({"state": Malicious()}, place / "optimizer.pt")
    model, optimizer = trained(0)
    checkpoint = latest_checkpoint_ignoring_hashes(place)
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        restore(checkpoint, model, optimizer)
    assert (tmp_path / "victim").is_dir()


def latest_checkpoint_ignoring_hashes(place):
    state = json.loads((place / "state.json").read_text(encoding="utf8"))
    (place / "state.json").write_text(json.dumps({**state, "sha256": {}}), encoding="utf8")
    return newest_in(place.parent)


def test_other_run_is_refused_and_named(tmp_path):
    save(tmp_path, 1)
    check_same_run(newest_in(tmp_path), {"seed": 0})
    with pytest.raises(ValueError, match=r"BC714.*seed, data"):
        check_same_run(newest_in(tmp_path), {"seed": 1, "data": "x"})


def test_other_optimizer_groups_are_refused(tmp_path):
    save(tmp_path, 1)
    model, _ = trained(0, n_steps=0)
    one_group = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="BC721"):
        restore(newest_in(tmp_path), model, one_group)
