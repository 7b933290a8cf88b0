"""docs/troubleshooting.md has every sentence that the product says about trouble, word for word, and no other."""

import re

from tests.project.said import literals, of_answers, of_certificates, of_the_doctor, of_the_page, of_the_start
from tests.support.running import ROOT

PAPER = ROOT / "docs/troubleshooting.md"
CALM = ROOT / "tests/project/calm_sentences.txt"  # what the page says when nothing is wrong
ENTRY = re.compile(r"^### .*?(?=^##|\Z)", re.MULTILINE | re.DOTALL)


def quoted(text: str) -> list[str]:
    return re.findall(r"^> - (.*)$", text, re.MULTILINE)


def differences(said: set[str], calm: list[str], paper: list[str]) -> list[str]:
    """What is said and has no entry, what is quoted and nobody says, and what stands twice."""
    told = [*calm, *paper]
    wrong = [f"in neither docs/troubleshooting.md nor calm_sentences.txt: {each}" for each in sorted(said - set(told))]
    wrong += [f"nobody says: {each}" for each in sorted(set(told) - said)]
    return wrong + [f"stands twice: {each}" for each in sorted({each for each in told if told.count(each) > 1})]


def test_each_sentence_about_trouble_has_its_entry() -> None:
    """The sentences of the page, of answers, of the start and of the doctor are those of the paper, and what is calm is no trouble."""
    page, others = of_the_page(ROOT), of_answers(ROOT) | of_the_start(ROOT) | of_the_doctor(ROOT) | of_certificates(ROOT)
    calm = CALM.read_text().splitlines()
    assert not differences(set(page) | set(others), calm, quoted(PAPER.read_text()))
    assert not set(calm) & set(others), "what refuses or warns is trouble"


def test_each_entry_says_why_and_what_helps() -> None:
    """No entry is a list alone."""
    entries = ENTRY.findall(PAPER.read_text())
    assert len(entries) > 20
    assert not [each.partition("\n")[0] for each in entries if not quoted(each)]
    assert not [each.partition("\n")[0] for each in entries if not re.search(r"\*\*Why.*[Cc]ure\.\*\*", each, re.DOTALL)]


def test_the_law_finds_what_is_missing() -> None:
    assert differences({"a b."}, [], []) == ["in neither docs/troubleshooting.md nor calm_sentences.txt: a b."]
    assert differences(set(), ["c d."], []) == ["nobody says: c d."]
    assert differences({"e f."}, ["e f."], ["e f."]) == ["stands twice: e f."]


def test_sentences_are_found_in_each_way_of_writing_them() -> None:
    """Plain strings, templates, templates in templates; no comments."""
    script = '/** "not this." */ f("plain.", `one ${two(`inner ${x}.`)} three.`); // "nor this."'
    assert list(literals(script)) == ["plain.", "inner ….", "one … three."]


def test_each_kind_is_collected() -> None:
    """A sentence of each place where one can be written."""
    answers, start, doctor = of_answers(ROOT), of_the_start(ROOT), of_the_doctor(ROOT)
    assert "Name or password is wrong." in answers, "a docstring"
    assert "The disk of the server is full. What only reads goes on." in answers, "a trouble of the database"
    assert "You have asked too often; wait a little." in answers, "a detail where it is refused"
    assert "This is not valid HTTP, or its head is too long." in answers, "a document by itself"
    assert "http.port: … needs a right that this user has not; choose one over 1023" in start, "returned by a function"
    assert "the database cannot be opened now: …" in start, "printed"
    assert "HTTPS: … ended on …. Renew it." in doctor
