"""Licences are judged by what packages say, and an unanswered question about vulnerabilities is never taken for a good answer."""

import json
import re

import pytest

from deploy.supply.__main__ import SHIPPED, licence_lines
from deploy.supply.advisories import Finding, NotAskedError, findings
from deploy.supply.licences import Said, allowed, licence
from deploy.supply.pinned import Pin, pins, rounds

APACHE = "License :: OSI Approved :: Apache Software License"


def said(name="a", expression="", classifiers=(), text=""):
    return Said(name, expression, classifiers, text)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (said(expression="MIT", classifiers=[APACHE], text="GPL"), "MIT"),
        (said(classifiers=[APACHE, "License :: OSI Approved :: MIT License"]), "Apache-2.0 OR MIT"),
        (said(classifiers=["Programming Language :: C", APACHE]), "Apache-2.0"),
        (said(text="Apache License, Version 2.0"), "Apache-2.0"),
        (said(text="MPL-2.0"), "MPL-2.0"),
        (said(text="Copyright (c) somebody, all rights reserved"), ""),
        (said(), ""),
        (said(classifiers=["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"]), ""),
        (said(name="venusian", text="BSD-derived (Repoze)"), "BSD-3-Clause"),
    ],
)
def test_a_licence_is_the_expression_else_the_classifiers_else_the_text(says, expected):
    assert licence(says) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT OR GPL-3.0-only AND Apache-2.0", True),
        ("(MIT OR GPL-3.0-only) AND LGPL-2.1-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("(MIT", False),
        ("MIT MIT", False),
    ],
)
def test_an_expression_is_allowed_when_allowed_licences_meet_it(expression, expected):
    assert allowed(expression) is expected


def test_every_package_that_is_shipped_has_an_allowed_licence():
    names = {pin.name for file in SHIPPED.values() for pin in pins(file.read_text())}
    assert len(names) > 50
    lines, wrong = licence_lines(names)
    assert wrong == []
    looked_at = [line for line in lines if "not looked at" not in line]
    assert len(looked_at) > 50


def test_a_package_whose_licence_is_not_known_or_not_allowed_is_named(tmp_path, monkeypatch):
    for name, says in (("odd-one", "License-Expression: GPL-3.0-only"), ("mute-one", "Summary: nothing")):
        folder = tmp_path / f"{name.replace('-', '_')}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1\n{says}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert licence_lines(["odd-one", "mute-one"])[1] == ["mute-one 1: says nothing that is known", "odd-one 1: GPL-3.0-only"]


def test_pins_are_read_without_hashes_and_markers_under_their_normal_names():
    text = 'a-b==1.0 \\\n    --hash=sha256:00\nC_d.e==2 ; python_full_version < "3.12" \\\n# x==1\n'
    assert pins(text) == {Pin("a-b", "1.0"), Pin("c-d-e", "2")}


def test_each_round_of_asking_names_a_package_once_and_all_rounds_name_all():
    wanted = {Pin("a", "1"), Pin("a", "2"), Pin("b", "1"), Pin("a", "3")}
    asked = rounds(wanted)
    assert [sorted({p.name for p in pinned}) for pinned in asked] == [["a", "b"], ["a"], ["a"]]
    assert {p for pinned in asked for p in pinned} == wanted
    assert all(len(pinned) == len({p.name for p in pinned}) for pinned in asked)


def test_findings_are_what_the_report_says():
    report = {
        "dependencies": [
            {"name": "good", "version": "1", "vulns": []},
            {
                "name": "bad",
                "version": "2",
                "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}, {"id": "PYSEC-2", "fix_versions": []}],
            },
        ]
    }
    found = findings(json.dumps(report), "")
    assert found == [Finding("bad", "2", "PYSEC-1", ("3",)), Finding("bad", "2", "PYSEC-2", ())]
    assert found[0].line() == "bad 2: PYSEC-1, fixed in 3"
    assert found[1].line() == "bad 2: PYSEC-2, no fixed version is known"


@pytest.mark.parametrize(
    ("output", "complaints", "why"),
    [
        ("", "Traceback\nConnectionError: no route\n", "ConnectionError: no route"),
        ("", "", "pip-audit printed no report"),
        ("[]", "", "pip-audit printed no report"),
        (json.dumps({"dependencies": [{"name": "six", "skip_reason": "not found"}]}), "", "six: not found"),
    ],
)
def test_no_answer_is_not_a_good_answer(output, complaints, why):
    with pytest.raises(NotAskedError, match=re.escape(why)):
        findings(output, complaints)
