"""exports_boxes.py - boxes exported for annotation tools are read back as they were stored"""
# time limit: 600 s
import math
import os
import random
import re
import shutil
import stat
import struct
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
import read_boxes
import system_lib as lib

PIPELINE = """name: boxes
input: {paths: ["in/*.jsonl"], format: jsonl, key: id,
        columns: {boxes: list<box>, width: i64, height: i64, source: utf8, number: i64}}
shard: {bytes: %s}
store: {volume: %s, seal: 1s}
"""
FORMATS = ("coco", "coco-dataset", "yolo", "voc", "labelme", "label-studio", "cvat",
           "megadetector")
NAMES = ["person", "a \"b\" & <c>", "naïve 猫", "%41\\x", "nobody's"]
# Keys with all that hurts in names of files, in JSON and in XML, and their paths.
NASTY = {
    "a/b/c.jpg": "a/b/c", "plain": "plain", "x.tar#d/e.png": "x.tar#d/e", "dotted.v1.2": "dotted.v1.2",
    "../../escape.jpg": "%2E./%2E./escape", "/etc/passwd": "%2Fetc/passwd", "a//b.jpg": "a%2F/b",
    "trailing/": "trailing%2F", ".lock": "%2Elock", ".hidden/x.jpg": "%2Ehidden/x", "..": "%2E.",
    "new\nline.jpg": "new%0Aline", "tab\t.jpg": "tab%09", "100%.jpg": "100%", "%41.jpg": "%2541",
    "A.jpg": "A", "back\\slash.jpg": "back%5Cslash", "q\"uo'te<&>]]>.jpg": "q\"uo'te<&>]]>",
    "ünï/猫🦊.jpeg": "ünï/猫🦊", "\u0085\u2028\ufffe.png": "%C2%85%E2%80%A8\ufffe", "del\x7f": "del%7F",
    "train/images/z.jpg": "train/images/z", "images/y.jpg": "images/y", " space .jpg": " space ",
    "-rf.jpg": "-rf", "000000000139.jpg": "000000000139", "esc\x1b[0m": "esc%1B[0m",
}


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def random_box(chance, width, height):
    """Floats as networks give them, some at the edges, beyond them, or without an extent."""
    x1, x2 = sorted(chance.uniform(-3, width + 3) for _ in range(2))
    y1, y2 = sorted(chance.uniform(-3, height + 3) for _ in range(2))
    kind = chance.randrange(8)
    if kind == 0:
        x1, y1, x2, y2 = 0, 0, width, height
    elif kind == 1:
        x2, y2 = x1, y1
    elif kind == 2:
        x1, y1, x2, y2 = map(round, (x1, y1, x2, y2))
    elif kind == 3:
        x1, y1 = chance.random() * 1e-4, 1.5
    score = chance.choice((chance.random(), 1, 0, 0.5, chance.random() * 1e-9))
    return [float32(value) for value in (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2), score)]


def corpus(count, seed=1):
    """Records, every fifth image without objects."""
    chance = random.Random(seed)
    keys = list(NASTY) + ["set%d/img-%05d.jpg" % (i % 7, i) for i in range(count - len(NASTY))]
    for number, key in enumerate(keys):
        width, height = chance.choice(((640, 480), (1, 1), (4096, 3072), (99999, 7), (333, 1000)))
        boxes = [random_box(chance, width, height) + [chance.randrange(len(NAMES))]
                 for _ in range(0 if number % 5 == 4 else chance.randrange(1, 12))]
        yield {"id": key, "width": width, "height": height, "boxes": boxes, "source": "s%d" % number,
               "number": number * 7 + 1000}


def export(work, job, form, out, *words):
    return work.millrace("export", job, "--format", form, "--out", out, *words)


def run_job(work, name, rows, shard="16MiB", volume="64MiB", words=()):
    for number in range(3):
        work.write("%s/in/%d.jsonl" % (name, number), lib.as_lines(rows[number::3]))
    pipeline = work.write(name + "/p.yaml", PIPELINE % (shard, volume))
    job = work.path(name + ".job")
    work.ran(work.millrace("run", pipeline, "--job", job, "--quiet", *words), name + ": it runs")
    return job


def xml_text(text):
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def clipped(box, width, height):
    return [min(max(value, 0), (width, height)[i % 2]) for i, value in enumerate(box[:4])]


def is_same(got, box, name, score=True):
    """The same floats, but that nothing is told finer than a part in 10^12 of an image."""
    return all(float32(a) == b or abs(a - b) < 1e-7 for a, b in zip(got[:4], box[:4])) \
        and (float32(got[4]) == box[4] if score else got[4] is None) and got[5] == name


def compare(work, what, records, found, key_of, same, has_size=True):
    """Each record is in `found` under its key, its boxes in their order; nothing else is."""
    wrong = []
    left = dict(found)
    for record in records:
        width, height, boxes = left.pop(key_of(record["key"]), (None, None, None))
        if boxes is None or len(boxes) != len(record["boxes"]) \
                or (has_size and (width, height) != (record["width"], record["height"])) \
                or not all(same(record, got, box) for got, box in zip(boxes, record["boxes"])):
            wrong.append((record, boxes))
    work.check(not wrong and not left, "%s: %d images and their boxes are those stored"
               % (what, len(records)), len(wrong), wrong[:1], list(left.items())[:3])


def is_pixels(record, got, box, base, name):
    x1, y1, x2, y2 = clipped(box, record["width"], record["height"])
    if base == 0:
        want = [int(x1), int(y1), int(x2), int(y2)]
    else:
        want = [min(math.floor(x1) + 1, record["width"]), min(math.floor(y1) + 1, record["height"])]
        want += [max(math.ceil(x2), want[0]), max(math.ceil(y2), want[1])]
    return list(got[:4]) == want and got[5] == name


def image_path(key):
    """Where `yolo` expects the image."""
    path = NASTY.get(key, key[:-4])
    path += key[key.rindex("."):] if key.endswith((".jpg", ".png", ".jpeg")) else ""
    return path if "images" in path.split("/")[:-1] else "images/" + path


def read_back(work, job, records, out):
    names = work.write("names.txt", "\ufeff" + "\r\n".join(NAMES) + "\n")
    for form in FORMATS:
        words = [] if form == "coco" else ["--classes", names]
        words += ["--scores"] if form == "yolo" else []
        work.ran(export(work, job, form, out(form), *words), form + ": it is written")
    by_key = {record["key"]: (record["width"], record["height"]) for record in records}

    def same(_record, got, box):
        return is_same(got, box, NAMES[int(box[5])])

    def same_without_score(_record, got, box):
        return is_same(got, box, NAMES[int(box[5])], False)

    def same_clipped(record, got, box):
        return is_same(got, clipped(box, record["width"], record["height"]) + box[4:],
                       NAMES[int(box[5])])

    compare(work, "coco-dataset", records, read_boxes.coco_dataset(out("coco-dataset")), str, same)
    compare(work, "label-studio", [record for record in records if record["boxes"]],
            {key: value for key, value in read_boxes.label_studio(out("label-studio")).items()
             if value[2]}, str, same)
    compare(work, "label-studio's negatives", records,
            read_boxes.label_studio(out("label-studio")), str, same, False)
    compare(work, "megadetector", records,
            read_boxes.megadetector(out("megadetector"), by_key), str, same)
    compare(work, "cvat", records, read_boxes.cvat(out("cvat")), xml_text, same_without_score)
    compare(work, "yolo", records, read_boxes.yolo(
        out("yolo"), {image_path(key): size for key, size in by_key.items()}), image_path,
        same_clipped)
    compare(work, "labelme", records, read_boxes.labelme(out("labelme")), lambda key: os.path.join(
        os.path.dirname(NASTY.get(key, key)), key.rsplit("/", 1)[-1]), same)
    for base in (1, 0):
        export(work, job, "voc", out("voc"), "--classes", names, "--voc-base", str(base), "--force")
        compare(work, "voc with base %d" % base, records, read_boxes.voc(out("voc")), xml_text,
                lambda record, got, box, base=base: is_pixels(record, got, box, base,
                                                              NAMES[int(box[5])]))
    numbered = {number: record for number, record in enumerate(records, 1) if record["boxes"]}
    compare(work, "coco", [dict(record, key=number) for number, record in numbered.items()],
            read_boxes.coco(out("coco")), int,
            lambda _record, got, box: is_same(got, box, int(box[5]) + 1), False)


def evaluate(work, data_set, results, what):
    status, printed, said = work.millrace("eval", "coco", "--gt", data_set, "--results", results,
                                          "--json")
    stats = lib.json.loads(printed)["stats"] if status == 0 else said
    work.check(status == 0 and 1 - 1e-9 < stats[0] <= 1 and stats[0] == stats[1], what + ": precise against themselves",
               status, stats)


def ids(work, rows, out):
    """Results and data set agree, whatever images are known by. A box without an area overlaps
    nothing, not even itself."""
    rows = [dict(row, boxes=[box for box in row["boxes"] if box[0] < box[2] and box[1] < box[3]])
            for row in rows]
    job = run_job(work, "ids", rows)
    records = [lib.json.loads(line) for line in work.text("show", job).split("\n") if line]
    plain = [record for record in records if not record["key"].endswith("/")]
    for rule, want in ((None, list(range(1, len(records) + 1))), ("source", None),
                       ("number", [record["number"] for record in records])):
        words = ["--image-id", rule] if rule else []
        export(work, job, "coco", out("coco"), "--force", *words)
        export(work, job, "coco-dataset", out("coco-dataset"), "--force", *words)
        evaluate(work, out("coco-dataset"), out("coco"), "--image-id %s" % rule)
        got = [image["id"] for image in read_boxes.read_json(out("coco-dataset"))["images"]]
        work.equal(got, want or [record["source"] for record in records], "ids are %s" % rule)
    export(work, job, "coco-dataset", out("coco-dataset"), "--force", "--image-id", "stem")
    found = {image["file_name"]: image["id"]
             for image in read_boxes.read_json(out("coco-dataset"))["images"]}
    work.equal([found[key] for key in ("000000000139.jpg", "a/b/c.jpg", "plain")],
               [139, "c", "plain"], "a stem of digits is a number")
    work.equal(len(found), len({record["key"] for record in plain}) + 1, "and all are there")


def same_bytes(work, rows):
    """Cut, run and written in two ways; without the names of classes too."""
    jobs = [run_job(work, "one", rows, "2KiB", "64KiB", ("--executors", "3")),
            run_job(work, "two", rows, words=("--executors", "1"))]
    for form in FORMATS:
        found = []
        for number, job in enumerate(jobs):
            place = work.path("x.%d" % number)
            os.mkdir(place)
            work.ran(export(work, job, form, os.path.join(place, "out"), "--threads",
                            str(1 + 3 * number)), "%s of job %d" % (form, number))
            found.append({os.path.relpath(os.path.join(folder, name), place):
                          open(os.path.join(folder, name), "rb").read()
                          for folder, _, names in os.walk(place) for name in names})
            shutil.rmtree(place)
        work.check(found[0] == found[1] and found[0], form + ": the same files and bytes",
                   len(found[0]), len(found[1]))
        work.check(all(b'"0"' in content or b">0<" in content or b"\n0\n" in b"\n" + content
                       for name, content in found[0].items()
                       if name in ("out", "out/classes.txt") and form != "coco"),
                   form + ": without names classes are called by their numbers")
    return jobs[0]


def nothing_outside(work, folder, out):
    """Regular files and folders below the export's folder; no name could leave it."""
    paths = [os.path.join(place, name) for place, folders, names in os.walk(folder)
             for name in folders + names]
    work.check(paths and all(stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR)
                             and os.path.realpath(path).startswith(os.path.realpath(folder) + "/")
                             and not os.path.basename(path).startswith(".") for path in paths),
               out + ": %d files, none outside or hidden" % len(paths))


def refusals(work, out):
    box = [1, 2, 3, 4, 0.5, 0]
    usual = {"boxes": None, "width": 10, "height": 10, "source": None, "number": None}

    def job_of(name, *rows):
        return run_job(work, name, [dict(usual, **row) for row in rows])

    cases = [
        ("null", [{"id": "n"}], "coco", [], 'record "n" (0.jsonl, offset 0): column "boxes" is '
         "null, so nobody knows what the image shows; --null-boxes skip"),
        ("size", [{"id": "n", "width": None, "boxes": []}], "yolo", [], 'column "width" is null'),
        ("zero", [{"id": "n", "width": 0, "boxes": []}], "cvat", [], "a width of 0 pixels"),
        ("class", [{"id": "n", "boxes": [box, box[:5] + [7]]}], "voc", ["--classes", "FILE"],
         'box 1: class 7 has no name: "FILE" has 2, for classes from 0'),
        ("half", [{"id": "n", "boxes": [box[:5] + [0.5]]}], "coco", [], "box 0: a class of 0.5"),
        ("less", [{"id": "n", "boxes": [box[:5] + [-1]]}], "coco", [], "box 0: a class of -1"),
        ("far", [{"id": "n", "boxes": [[1e10] + box[1:]]}], "coco", [],
         "box 0: an edge is not a number from -1e9 to 1e9"),
        ("twice", [{"id": "a/b.jpg", "boxes": []}, {"id": "a/b.png", "boxes": []}], "labelme", [],
         'two images make one file, "a/b.json": their keys are the same, or differ in an '
         "extension, which --names full keeps"),
        ("folder", [{"id": "a", "boxes": []}, {"id": "a.json/b", "boxes": []}], "labelme", [],
         "two images make one file"),
        ("empty", [{"id": "", "boxes": []}], "yolo", [], "its key cannot name a file: it is empty"),
        ("long", [{"id": "x" * 300, "boxes": []}], "voc", [], "a name in it has more than 240"),
        ("deep", [{"id": "x/" * 70 + "y", "boxes": []}], "labelme", [], "more than 64 folders"),
    ]
    names = work.write("two.txt", "a\nb\n")
    for name, rows, form, words, message in cases:
        words = [names if word == "FILE" else word for word in words]
        status, _, said = export(work, job_of(name, *rows), form, out("bad"), *words)
        work.check(status == 1 and message.replace("FILE", names) in said
                   and said.count("\n") == 1, "%s: refused" % name, status, said)
        work.check(not os.path.exists(out("bad")) and not os.path.exists(work.path(".x.bad.tmp")),
                   name + ": and nothing is left")
    job = work.path("twice.job")
    work.ran(export(work, job, "labelme", out("bad"), "--names", "full"), "--names full")
    work.equal(sorted(read_boxes.files_of(out("bad"), ".json")), ["a/b.jpg.json", "a/b.png.json"],
               "keeps extensions apart")
    config(work, job, names, out)
    nulls(work, job_of("nulls", {"id": "n"}, {"id": "e", "boxes": []}, {"id": "b", "boxes": [box]}),
          out)


def config(work, job, names, out):
    broken = work.write("broken.txt", "a\n\nb\n")
    for words, message in (
            (["--classes", "none.txt"], 'cannot open the class names "none.txt": No such file'),
            (["--classes", broken], broken + ":2: a name is missing"),
            (["--classes", work.write("latin", b"\xe4\n")], ":1: a name is not UTF-8"),
            (["--classes", work.write("nothing", b"")], "names no class"),
            (["--boxes", "width"], 'column "width" is i64; list<box> is needed'),
            (["--boxes", "box"], 'the records have no column "box"; they have key, '),
            (["--null-boxes", "drop"], "refuse, skip or empty is needed"),
            (["--voc-base", "2"], "a number from 0 to 1 is needed"),
            (["--names", "short"], "stem or full is needed"),
            (["--image-root", "/"], "format voc takes no --image-root; label-studio do"),
            (["--scores"], "format voc takes no --scores; yolo do")):
        status, _, said = export(work, job, "voc", out("odd"), *words)
        work.check(status == 2 and message in said, "exit 2: " + message[-50:], status, said)
    status, _, said = export(work, job, "coco", out("odd"), "--image-id", "colour")
    work.check(status == 2 and 'no column "colour"' in said, "exit 2: no such column", status, said)
    work.ran(export(work, job, "coco-dataset", out("odd"), "--classes", names), "names of none")
    work.equal([entry["name"] for entry in read_boxes.read_json(out("odd"))["categories"]],
               ["a", "b"], "classes without boxes are categories too")


def nulls(work, job, out):
    for rule, want in (("skip", ["e", "b"]), ("empty", ["n", "e", "b"])):
        export(work, job, "coco-dataset", out("nulls"), "--null-boxes", rule, "--force")
        found = read_boxes.read_json(out("nulls"))
        work.equal(sorted(image["file_name"] for image in found["images"]), sorted(want),
                   "--null-boxes " + rule)
        export(work, job, "coco", out("results"), "--null-boxes", rule, "--force")
        evaluate(work, out("nulls"), out("results"), "--null-boxes " + rule)
    for form in ("yolo", "voc", "labelme", "cvat", "label-studio"):
        work.ran(export(work, job, form, out("nulls." + form), "--null-boxes", "skip"), form)
    work.equal(sorted(read_boxes.files_of(out("nulls.labelme"), ".json")), ["b.json", "e.json"],
               "no file of one that is skipped")
    work.ran(export(work, job, "megadetector", out("failed")), "megadetector has a word for it")
    found = read_boxes.megadetector(out("failed"), {"e": (10, 10), "b": (10, 10)})
    work.equal([found[key][2] for key in "ne"], ["no detector has seen it", []], "a failure")


DETECTOR = """import sys, json
for line in sys.stdin:
    record = json.loads(line)
    width, height = record["width"], record["height"]
    print(json.dumps({"boxes": [[0, 0, width / 3, height / 7, 0.25, 1]]}), flush=True)
"""


def images(work, out):
    """From files of images, broken ones among them."""
    names = ("a.png", "sub/b.png", "sub/ä%41&.png")
    for number, name in enumerate(names):
        work.write("pictures/" + name, lib.png(30 + number, 20))
    work.write("pictures/broken.png", lib.png(30, 20)[:20])
    work.write("pictures/sub/zero \"0\".jpg", b"")
    script = work.write("detector.py", DETECTOR)
    pipeline = work.write("pictures.yaml", (
        "name: pictures\ninput: {paths: [pictures], format: images}\nstages:\n"
        "  - exec: {command: [python3, %s], adds: [\"list<box> boxes\"]}\n") % script)
    job = work.path("pictures.job")
    work.ran(work.millrace("run", pipeline, "--job", job, "--quiet"), "pictures: it runs")
    for form in FORMATS:
        work.ran(export(work, job, form, out("p." + form)), "pictures: " + form)
    sizes = {name: (30 + number, 20) for number, name in enumerate(names)}
    found = read_boxes.megadetector(out("p.megadetector"), sizes)
    failures = {name: image[2] for name, image in found.items() if isinstance(image[2], str)}
    work.check(set(failures) == {"broken.png", "sub/zero \"0\".jpg"}
               and set(found) == set(sizes) | set(failures), "quarantined images are failures",
               found)
    rejects = {reject["key"]: "%s: %s" % (reject["stage"], reject["reason"])
               for reject in work.rejects(job)}
    work.check(rejects and all(failures[key].startswith(rejects[key]) for key in rejects),
               "with their reason", failures, rejects)
    for form in ("coco-dataset", "cvat", "voc", "label-studio", "labelme"):
        found = read_boxes.READERS[form](out("p." + form))
        work.equal({name: image[:2] for name, image in found.items()}, sizes, form + ": all images")
    labels = {"images/" + name.replace("%", "%25"): size for name, size in sizes.items()}
    work.equal(set(read_boxes.yolo(out("p.yolo"), labels)), set(labels), "yolo: all images")
    work.ran(export(work, job, "label-studio", out("urls"), "--image-root", "/data/?d=x \"y\"/"),
             "--image-root")
    work.equal([task["data"]["image"] for task in read_boxes.read_json(out("urls"))],
               ["/data/?d=x \"y\"/" + urllib.parse.quote(name) for name in names], "makes URLs")


def folders(work, job, out):
    """Nothing but what such an export left is replaced or removed."""
    for form in ("yolo", "voc", "labelme"):
        place = out("kept." + form)
        work.ran(export(work, job, form, place), form + ": written")
        before = sorted(os.path.join(at, name) for at, _, names in os.walk(place) for name in names)
        status, _, said = export(work, job, form, place)
        work.check(status == 2 and "--force replaces it" in said, form + ": kept", status, said)
        work.ran(export(work, job, form, place, "--force"), form + ": --force replaces it")
        work.equal(sorted(os.path.join(at, name) for at, _, names in os.walk(place)
                          for name in names), before, form + ": the same files")
        mine = work.write("x.kept.%s/set3/mine.jpg" % form, "mine")
        status, _, said = export(work, job, form, place, "--force")
        work.check(status == 2 and 'it holds "mine.jpg"' in said and os.path.exists(mine),
                   form + ": not with a file of mine in it", status, said)
        os.unlink(mine)
        os.symlink(work.folder, place + "/link")
        status, _, said = export(work, job, form, place, "--force")
        work.check(status == 2 and 'it holds "link"' in said, form + ": nor with a link", said)
        os.unlink(place + "/link")
    tried = work.write(".x.other.tmp/deep/mine.jpg", "mine")
    status, _, said = export(work, job, "voc", out("other"))
    work.check(status == 2 and os.path.exists(tried) and "which no export left there" in said,
               "a folder of mine under the temporary name", status, said)
    work.write(".x.third.tmp/deep/left.xml", "left")
    work.ran(export(work, job, "voc", out("third")), "what a killed export left is taken over")
    work.check(not os.path.exists(out("third") + "/deep"), "and gone")


def no_records(work, out):
    """A job without records makes exports that are whole."""
    job = run_job(work, "none", [])
    for form in FORMATS:
        work.ran(export(work, job, form, out("none." + form)), "no records as " + form)
    work.equal(read_boxes.read_json(out("none.coco")), [], "no results")
    for form in ("coco-dataset", "label-studio", "cvat"):
        work.equal(read_boxes.READERS[form](out("none." + form)), {}, form + " of nothing")
    work.equal(read_boxes.megadetector(out("none.megadetector"), {}), {}, "megadetector too")
    work.equal(set(os.listdir(out("none.yolo"))), {"classes.txt", "data.yaml", "images.txt"},
               "and yolo")


def memory(work, out):
    """More images take no more memory."""
    most = []
    for count in (20000, 80000):
        rows = ('{"id": "d%d/%d.jpg", "width": 640, "height": 480, "source": null, "number": %d, '
                '"boxes": [[%d.25, 1, 600.125, 400, 0.75, 3], [1, 1, 9, 9, 0.5, 0]]}\n'
                % (i % 100, i, i, i % 500) for i in range(count))
        work.write("m%d/in/a.jsonl" % count, "".join(rows))
        pipeline = work.write("m%d/p.yaml" % count, PIPELINE % ("1MiB", "64MiB"))
        job = work.path("m%d.job" % count)
        work.ran(work.millrace("run", pipeline, "--job", job, "--quiet"), "%d images" % count)
        found = []
        for form in ("coco-dataset", "cvat", "yolo"):
            child = work.start(lib.MILLRACE, "export", job, "--format", form, "--out",
                               out("m%d.%s" % (count, form)), "--threads", "2")
            peak = 0
            while child.poll() is None:
                got = re.search(r"VmHWM:\s*(\d+)", lib.read_text("/proc/%d/status" % child.pid))
                peak = max(peak, int(got.group(1)) if got else 0)
                lib.time.sleep(0.002)
            work.equal(child.returncode, 0, "%d images as %s" % (count, form))
            found.append(peak)
        most.append(found)
    work.check(all(large < small + 16384 for small, large in zip(*most)),
               "four times the images, no more memory (KiB: %s, %s)" % tuple(most))
    work.equal(len(read_boxes.read_json(out("m80000.coco-dataset"))["annotations"]), 160000,
               "all annotations are there")


def main():
    work = lib.Workplace("exports-boxes", 580)

    def out(name):
        return work.path("x." + name)

    rows = list(corpus(600))
    job = same_bytes(work, rows)
    records = [lib.json.loads(line) for line in work.text("show", job).split("\n") if line]
    for record in records:
        record["boxes"] = [list(map(float32, box)) for box in record["boxes"]]
    work.equal(len(records), len(rows), "all records are in the job")
    read_back(work, job, records, out)
    for form in ("yolo", "voc", "labelme"):
        nothing_outside(work, out(form), form)
    ids(work, rows, out)
    folders(work, job, out)
    refusals(work, out)
    images(work, out)
    no_records(work, out)
    memory(work, out)
    work.finish()


main()
