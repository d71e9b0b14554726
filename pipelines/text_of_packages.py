#!/usr/bin/env python3
"""text_of_packages.py - make JSON Lines of the documentation in Debian packages

usage: text_of_packages.py FOLDER PACKAGE.deb...

Writes FOLDER/PACKAGE.jsonl for each package: a document a line, with the fields id, text,
lang and source. HTML pages and manual pages become plain text. The same packages give the
same bytes on every machine. Needs dpkg-deb and Python's standard library.
"""
import gzip
import html
import json
import os
import re
import subprocess
import sys
import tarfile

MIN_CHARACTERS = 200  # shorter pages are indexes and redirections

SKIPPED = re.compile(
    r"(?is)<(script|style|head|nav|header|footer|svg)\b.*?</\1\s*>|<!--.*?-->")
BLOCK = re.compile(
    r"(?i)</?(?:p|div|li|ul|ol|dl|dt|dd|tr|td|th|table|h[1-6]|pre|br|section|article|hr)"
    r"\b[^>]*>")
TAG = re.compile(r"<[^>]*>")
SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
BLANK_LINES = re.compile(r"\n\s*\n+")
CHARSET = re.compile(rb"charset=[\"']?([-\w]+)")
# LibreOffice's help repeats its menus on every page; the text stands between these.
HELP_BODY = re.compile(r'(?is)<div id="DisplayArea"[^>]*>(.*?)<div id="(?:SearchFrame|DonationFrame)"')

ROFF_SKIPPED = (".\\\"", "'\\\"", ".de", ".ds", ".if", ".ie", ".nr", ".so", ".tm", ".tr")
ROFF_REQUEST = re.compile(r"^[.']\s*(?:\\\"|[A-Za-z]+)\s*")
ROFF_FONT = re.compile(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d+|\\[|^&%/,:)]")
ROFF_NAMED = {"\\-": "-", "\\(aq": "'", "\\(dq": '"', "\\(bu": "\u2022", "\\(em": "\u2014",
              "\\(en": "\u2013", "\\(co": "\u00a9", "\\e": "\\", "\\ ": " ", "\\~": " "}


def tidy(text):
    lines = (line.strip() for line in SPACES.sub(" ", text).split("\n"))
    return BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def text_of_html(page):
    body = HELP_BODY.search(page)
    if body:
        page = body.group(1)
    page = BLOCK.sub("\n", SKIPPED.sub(" ", page))
    return tidy(html.unescape(TAG.sub("", page)))


def text_of_manual(page):
    lines = []
    for line in page.split("\n"):
        if line.startswith(ROFF_SKIPPED):
            continue
        if line.startswith((".", "'")):
            line = ROFF_REQUEST.sub("", line).replace('"', "")
        line = ROFF_FONT.sub("", line)
        for name, character in ROFF_NAMED.items():
            line = line.replace(name, character)
        lines.append(line)
    return BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def decode(data):
    named = CHARSET.search(data[:2000])
    for encoding in ["utf-8"] + ([named.group(1).decode()] if named else []):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            pass
    return data.decode("utf-8", "replace")


def language_of(path, package):
    """The language that the file's folder, its name or else its package names."""
    manual = re.match(r"usr/share/man/([a-z]{2})(?:[_.@][^/]*)?/", path)
    page = re.search(r"\.([a-z]{2})(?:[-_][A-Za-z]{2,4})?\.html$", path)
    ending = re.search(r"-([a-z]{2})(?:-(?:cn|tw|br))?$", package)
    found = manual or page or ending
    return found.group(1) if found else "en"


def text_of(path, data):
    """The plain text of a file; empty for what is no page of documentation."""
    if path.endswith(".gz"):
        data = gzip.decompress(data)
        path = path[:-3]
    if path.endswith((".html", ".htm")):
        return text_of_html(decode(data))
    if path.startswith("usr/share/man/"):
        return text_of_manual(decode(data))
    return ""


def documents_of(deb, package):
    unpack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
        for member in archive:
            path = member.name[2:] if member.name.startswith("./") else member.name
            if not member.isfile() or "/changelog" in path.lower():
                continue
            text = text_of(path, archive.extractfile(member).read())
            if len(text) >= MIN_CHARACTERS:
                yield {"id": package + "/" + path, "text": text,
                       "lang": language_of(path, package), "source": package}
    unpack.stdout.close()
    if unpack.wait() != 0:
        sys.exit("text_of_packages.py: cannot unpack " + deb)


def main(folder, debs):
    for deb in sorted(debs):
        package = os.path.basename(deb).split("_")[0]
        documents = sorted(documents_of(deb, package), key=lambda document: document["id"])
        with open(os.path.join(folder, package + ".jsonl"), "w", encoding="utf-8") as out:
            for document in documents:
                json.dump(document, out, ensure_ascii=False)
                out.write("\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
