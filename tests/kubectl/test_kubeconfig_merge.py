"""The user's own kubeconfig: touched when asked, and left as it was when the cluster is gone."""

import yaml

from actors.kubectl.kubeconfig import context_name, forget_merged, kubeconfig, merged, write_file

OWN = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "work", "cluster": {"server": "https://work.example"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
    "preferences": {"colors": True},
}


def test_what_was_merged_is_taken_out_again(tmp_path):
    file, note = tmp_path / "config", tmp_path / "merged-kubeconfigs"
    write_file(file, merged(OWN, kubeconfig("lab", "https://127.0.0.1:1", b"ca", b"crt", b"key")))
    both = yaml.safe_load(file.read_text())
    assert both["current-context"] == context_name("lab") == "podchain-lab"
    assert len(both["contexts"]) == 2
    note.write_text(f"{file}\n{tmp_path / 'gone'}\n")
    assert forget_merged("lab", note) == []
    assert yaml.safe_load(file.read_text()) == {**OWN, "current-context": ""}
    assert not (tmp_path / "gone").exists()
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_kubeconfig_is_left_and_told(tmp_path):
    file, note = tmp_path / "config", tmp_path / "merged-kubeconfigs"
    file.write_text("- a list\n")
    note.write_text(f"{file}\n")
    (failure,) = forget_merged("lab", note)
    assert "is not a kubeconfig" in failure
    assert file.read_text() == "- a list\n"
    assert forget_merged("lab", tmp_path / "none") == []


def test_names_of_contexts():
    assert context_name("podchain") == "podchain"
    assert context_name("x") == "podchain-x"
