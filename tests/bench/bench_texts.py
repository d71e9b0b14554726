"""bench_texts.py - the texts of the tokenizer measurements, made once below BUILD/bench/data

The mix: two fifths English, three tenths source code, three tenths other languages, 50 MB.
English and other languages are documents of the corpus; code is what Debian packages that
building and testing need install: C, C++, Python and Perl in equal parts. Documents of a
kind are put together to chunks of 32 KiB or more, and the chunks of all kinds shuffled by a
fixed seed. The last documents of each kind are held out, for the loss of trained models.
"""
import json
import os
import random
import subprocess

from bench_common import DATA, once, plain_file

CHUNK = 32768
SEED = 20
ENGLISH, CODE, OTHERS = 19600000, 15200000, 15200000  # bytes
HELD_OUT = {"english": 400000, "code": 300000, "others": 300000}
LONGEST_SOURCE = 262144
SOURCES = (  # packages by pattern, what their files end in, where they lie
    ("libc6-dev linux-libc-dev", (".h",), "/usr/include/"),
    ("libstdc++-*-dev", ("",), "/usr/include/c++/"),
    ("libpython3.*-stdlib libpython3.*-minimal", (".py",), "/usr/lib/python3"),
    ("perl-modules-5.*", (".pm", ".pl", ".pod"), "/usr/share/perl/"))
MEGABYTES = (("a letter", "a"), ("spaces", " "), ("digits", "7"), ("emoji", "\U0001f600"))


# ---- documents ----

def corpus_documents():
    """English texts and those in other languages, in the order of the corpus."""
    english, others = [], []
    with open(plain_file(), "rb") as lines:
        for line in lines:
            record = json.loads(line)
            try:
                text = record["text"].encode("utf-8")
            except UnicodeEncodeError:  # half of a surrogate pair
                continue
            if text:
                (english if record.get("lang") == "en" else others).append(text)
    return english, others


def source_files(packages, ends, below):
    """Contents of the source files of packages, without repetitions, shuffled."""
    names = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\n", *packages.split()],
                           capture_output=True, text=True, check=False).stdout.split()
    listed = subprocess.run(["dpkg", "-L", *sorted(names)], capture_output=True, text=True,
                            check=False).stdout.split("\n") if names else []
    contents = {}
    for path in sorted(set(listed)):
        if not (path.startswith(below) and path.endswith(ends) and os.path.isfile(path)) \
                or os.path.islink(path) or "/unicore/" in path:
            continue
        with open(path, "rb") as file:
            content = file.read()
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if 0 < len(content) <= LONGEST_SOURCE and b"\0" not in content:
            contents[content] = None
    files = list(contents)
    random.Random(SEED).shuffle(files)
    return files


def code_documents():
    """A file of each language in turn, so that all have equal parts while they last."""
    languages = [(0, i, source_files(*s)) for i, s in enumerate(SOURCES)]
    while languages := [language for language in languages if language[2]]:
        size, i, files = min(languages)
        languages.remove((size, i, files))
        yield files[0]
        languages.append((size + len(files[0]), i, files[1:]))


def take(documents, size):
    """The first documents, of `size` bytes together, and the others."""
    taken, rest, total = [], [], 0
    for document in documents:
        if total + len(document) <= size:
            taken.append(document)
            total += len(document) + 1
        else:
            rest.append(document)
    return taken, rest


def chunks(documents):
    chunk = b""
    for document in documents:
        chunk += document + b"\n"
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = b""
    if chunk:
        yield chunk


# ---- files ----

def make_all():
    """Write the mix, its parts and what is held out."""
    english, others = corpus_documents()
    kinds = {"english": (english, ENGLISH), "code": (list(code_documents()), CODE),
             "others": (others, OTHERS)}
    mixed, held = [], b""
    for name, (documents, size) in kinds.items():
        kept_back, rest = take(documents[::-1], HELD_OUT[name])
        taken, _ = take(rest[::-1], size)
        held += b"".join(document + b"\n" for document in kept_back)
        mixed += chunks(taken)
        if name == "others":
            write("others.txt", [document + b"\n" for document in taken])
    random.Random(SEED).shuffle(mixed)
    write("held_out.txt", [held])
    write("mix.txt", mixed)


def write(name, pieces):
    path = os.path.join(DATA, name)
    with open(path + ".partial", "wb") as out:
        out.writelines(pieces)
    os.replace(path + ".partial", path)


def text_file(name):
    """mix.txt, others.txt or held_out.txt."""
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        make_all()
    return path


def first_part(path, megabytes):
    """The first whole lines of a text, for what is too slow to see all of it."""
    size = megabytes * 1000000
    if os.path.getsize(path) <= size:
        return path

    def make(target):
        with open(path, "rb") as text, open(target, "wb") as out:
            out.write(text.read(size))
            out.write(text.readline())
    return once(f"{megabytes}MB.{os.path.basename(path)}", make)


def repeated_file(what, size):
    """`size` bytes of one character."""
    character = dict(MEGABYTES)[what].encode("utf-8")

    def make(path):
        with open(path, "wb") as out:
            out.write(character * (size // len(character)))
    return once(f"{what.replace(' ', '_')}.{size}.txt", make)


def text_shares():
    size = os.path.getsize(text_file("mix.txt"))
    return f"a mix of {size / 1e6:.0f} MB"
