"""images.py - images of every kind are read, bad ones cost only themselves, memory is bounded"""
# time limit: 600 s
import glob
import io
import os
import random
import shutil
import struct
import sys
import tarfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import onnx_model
import system_lib as lib

STAGES = """stages:
  - image_stats: {truncated: %s, max_pixels: 2000000}
  - phash
  - resize: {width: 24, height: 24, fit: pad, filter: lanczos, output: png}
output: {columns: [key, width, height, format, phash, sharpness, image]}
store: {volume: 64KiB, seal: 300ms}
"""
FOLDER = "name: %s\ninput: {paths: [%s], format: images}\nshard: {bytes: %s}\n" + STAGES
TAR = ("name: %s\ninput: {paths: [%s], format: tar, columns: {txt: utf8, cls: i64}}\n"
       "shard: {bytes: %s}\n" + STAGES)


def png_header(width, height):
    """What a bomb shows of itself."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + lib.png_chunk(b"IHDR", header)
            + lib.png_chunk(b"IDAT", zlib.compress(bytes(100000))) + lib.png_chunk(b"IEND", b""))


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def huge_jpeg(width, height, progressive=False):
    """A gray JPEG, all blocks alike: each is 6 bits, a difference of 0 and the end."""
    blocks = (width + 7) // 8 * ((height + 7) // 8)
    tables = segment(0xdb, b"\0" + b"\1" * 64)
    for kind in (0x00, 0x10):  # two codes: 00 and 1010 for what is needed
        lengths = bytes((0, 1, 0, 0) if kind == 0 else (0, 0, 0, 1)) + bytes(12)
        tables += segment(0xc4, bytes([kind]) + lengths + b"\0")
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    # Codes are given out from zero: 00 for the difference, 0000 for the end of a block.
    data = b"\0" * ((blocks * 6 + 7) // 8)
    scan = b"\1\1\0\0\x3f\0" if not progressive else b"\1\1\0\0\0\0"
    return (b"\xff\xd8" + tables + segment(0xc2 if progressive else 0xc0, frame)
            + segment(0xda, scan) + data + b"\xff\xd9")


def samples():
    """Files of every format, made by our tests: {name: content}."""
    folder = os.path.join(lib.ROOT, "tests/fuzz/corpus/image")
    found = {}
    for path in sorted(glob.glob(folder + "/*")):
        name = os.path.basename(path)
        if not name.startswith("cut"):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


def run(work, what, pipeline, job, *words):
    done = work.ran(work.millrace("run", pipeline, "--job", job, "--quiet", *words), what)
    status = lib.status_of(job)
    work.check(lib.account_holds(status), what + ": the account holds, in records and bytes",
               status)
    work.verified(job, what)
    return status if done else {}


def good_and_bad(work):
    """A folder: each file is there or quarantined with its reason, and nothing is lost."""
    good, bad = samples(), {}
    for number in range(30):
        good["boxes/%02d.png" % number] = lib.png(20 + number * 9, 90 - number * 2, number)
    good["wide.png"] = lib.png(60000, 1)
    good["named wrongly.jpg"] = lib.png(50, 40)
    good["no extension"] = good["baseline.jpg"]
    good["packed.png.gz"] = lib.gzip_bytes(lib.png(33, 22))
    bad["zero.jpg"] = (b"", "empty_file")
    bad["text.jpg"] = (b"not an image\n", "not_an_image")
    bad["picture.gif"] = (b"GIF89a" + bytes(20), "unsupported_format")
    bad["header.jpg"] = (good["baseline.jpg"][:30], "bad_header")
    bad["cut.jpg"] = (good["progressive.jpg"][:-200], "truncated_image")
    bad["cut.png"] = (lib.png(200, 100)[:700], "truncated_image")
    bad["rows.png"] = (lib.png(80, 60, 0, 20), "truncated_image")
    bad["cut.webp"] = (good["lossy.webp"][:100], "truncated_image")
    bad["flipped.png"] = (lib.png(50, 50)[:120] + b"\0\0\0" + lib.png(50, 50)[123:], "corrupt_image")
    bad["bomb.png"] = (png_header(60000, 60000), "too_many_pixels")
    bad["bomb.jpg"] = (huge_jpeg(60000, 60000)[:3000], "too_many_pixels")
    for name, content in list(good.items()) + [(name, pair[0]) for name, pair in bad.items()]:
        work.write("mixed/" + name, content)
    size = sum(map(len, good.values())) + sum(len(content) for content, _ in bad.values())
    digests = []
    for shard, words in (("16MiB", ("--executors", "1")), ("4KiB", ("--executors", "3")),
                         ("64KiB", ("--workers", "2", "--executors", "2"))):
        what = "good and bad images, shards of " + shard
        path = work.write("mixed.yaml", FOLDER % (
            "mixed", lib.json.dumps(work.path("mixed")), shard, "reject"))
        job = work.path("mixed.job")
        status = run(work, what, path, job, *words)
        rows = {row["key"]: row for row in work.records(job)}
        work.equal(sorted(rows), sorted(good), what + ": the good ones come out")
        reasons = {reject["key"]: reject["reason"] for reject in work.rejects(job)}
        work.equal(reasons, {name: reason for name, (_, reason) in bad.items()},
                   what + ": each bad one has its reason")
        # A packed file counts by what is in it.
        work.equal(status.get("bytes", {}).get("read"),
                   size - len(good["packed.png.gz"]) + len(lib.png(33, 22)),
                   what + ": every byte is accounted for")
        digests.append(work.digest(job))
        work.equal((rows["baseline.jpg"]["width"], rows["baseline.jpg"]["height"]), (21, 33),
                   what + ": sizes are those of upright pictures")
        work.equal(rows["named wrongly.jpg"]["format"], "png",
                   what + ": the format is told by the content")
        small = lib.base64.b64decode(rows["wide.png"]["image"])
        work.equal(struct.unpack(">II", small[16:24]), (24, 24), what + ": pictures are resized")
        shutil.rmtree(job)
    work.check(len(set(digests)) == 1, "images have one digest for shards and workers", digests)
    kept_as_far_as_they_go(work, bad)


def kept_as_far_as_they_go(work, bad):
    what = "damaged images that are kept"
    path = work.write("kept.yaml", (FOLDER % ("kept", lib.json.dumps(work.path("mixed")), "1MiB",
                                              "keep")).replace("- phash", "- phash: {truncated: keep}")
                      .replace("{width: 24", "{truncated: keep, width: 24"))
    job = work.path("kept.job")
    run(work, what, path, job)
    keys = {row["key"] for row in work.records(job)}
    work.check({"cut.jpg", "cut.png", "rows.png"} <= keys, what + ": they come out", keys & set(bad))
    work.check("text.jpg" not in keys and "bomb.png" not in keys, what + ": no others do")
    shutil.rmtree(job)


GOOD = "emitted"


def damages(content):
    """Kinds of damage whose verdicts are known: (kind, what is left, allowed verdicts)."""
    cut = {"truncated_image", "corrupt_image", "bad_header"}
    return (("empty", b"", {"empty_file"}),
            ("text", b"hello, world\n" * 9, {"not_an_image"}),
            ("magic", bytes(4) + content[4:], {"not_an_image"}),
            ("head", content[:11], cut | {"not_an_image"}),
            ("half", content[:len(content) // 2], cut),
            ("most", content[:-max(24, len(content) // 4)], cut),
            ("more", content + b"\0garbage" * 40, {GOOD}),
            ("twice", content + content, {GOOD}))


def damaged(work):
    """Bits are changed and ends are cut: a verdict for each, and the run goes on."""
    chance, files = random.Random(11), samples()
    count, wanted = 0, {}
    for name, content in sorted(files.items()):
        for kind, left, verdicts in damages(content):
            work.write("damaged/%s/%s" % (name, kind), left)
            wanted["%s/%s" % (name, kind)] = verdicts
            count += 1
        for number in range(12):
            changed = bytearray(content)
            if number % 3 == 0:
                del changed[chance.randrange(len(changed)):]
            for _ in range(number % 3 * 2):
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            work.write("damaged/%s/%02d" % (name, number), bytes(changed))
            count += 1
    what = "%d damaged images" % count
    digests = []
    for executors in ("1", "3"):
        path = work.write("damaged.yaml", FOLDER % (
            "damaged", lib.json.dumps(work.path("damaged")), "8KiB", "reject"))
        job = work.path("damaged.job")
        status = run(work, what, path, job, "--executors", executors)
        records = status.get("records", {})
        work.equal(records.get("read"), count, what + ": each has a verdict")
        work.check(records.get("quarantined", 0) > count // 4, what + ": many are told", records)
        verdicts = {reject["key"]: reject["reason"] for reject in work.rejects(job)}
        work.check(all(verdicts.values()), what + ": with a reason each")
        wrong = {key: (verdicts.get(key, GOOD), sorted(allowed))
                 for key, allowed in wanted.items() if verdicts.get(key, GOOD) not in allowed}
        work.check(not wrong, what + ": of %d the verdict is known" % len(wanted), wrong)
        work.note("%s: %d emitted, %d quarantined" % (what, records["emitted"],
                                                     records["quarantined"]))
        digests.append(work.digest(job))
        shutil.rmtree(job)
    work.check(digests[0] == digests[1], what + ": one digest for 1 and 3 executors", digests)


def tar_file(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tars(work):
    """The same records out of a tar file, plain and packed, however it is cut."""
    members = []
    for number in range(40):
        members.append(("%03d.cls" % number, b"%d" % number))
        members.append(("%03d.png" % number, lib.png(30 + number, 20, number)))
        members.append(("%03d.txt" % number, ("text %d" % number).encode()))
    members += [("lonely.txt", b"?"), ("zero.jpg", b""), ("bad.cls", b"x"), ("bad.png", lib.png(9, 9))]
    content = tar_file(members)
    work.write("plain/a.tar", content)
    work.write("gz/a.tar", lib.gzip_bytes(content))
    work.write("zst/a.tar", lib.zstd(content))
    work.write("cut/a.tar", content[:len(content) * 2 // 3 + 77])
    want = {"a.tar#lonely.txt": "no_image", "a.tar#zero.jpg": "empty_file",
            "a.tar#bad.png": "wrong_type"}
    for form in ("plain", "gz", "zst", "cut"):
        digests = []
        for shard, words in (("1KiB", ("--executors", "3")), ("16MiB", ("--executors", "1"))):
            what = "a tar file, %s, shards of %s" % (form, shard)
            path = work.write("tar.yaml", (TAR % (
                "tar", lib.json.dumps(work.path(form)), shard, "reject")).replace(
                    "image]", "image, txt, cls]"))
            job = work.path("tar.job")
            status = run(work, what, path, job, *words)
            rows = work.records(job)
            reasons = {reject["key"]: reject["reason"] for reject in work.rejects(job)}
            if form == "cut":  # a .cls whose picture is cut stands alone
                work.check("truncated_input" in reasons.values() and 20 < len(rows) < 40 and
                           len(reasons) <= 2,
                           what + ": the cut member is told", reasons)
                size = len(content) * 2 // 3 + 77
            else:
                work.equal([(row["key"], row["txt"], row["cls"]) for row in rows],
                           [("a.tar#%03d.png" % number, "text %d" % number, number)
                            for number in range(40)], what + ": texts and numbers go along")
                work.equal(reasons, want, what + ": each bad one has its reason")
                size = len(content)
            work.equal(status.get("bytes", {}).get("read"), size,
                       what + ": every byte is accounted for")
            digests.append(work.digest(job))
            shutil.rmtree(job)
        work.check(digests[0] == digests[1], "a tar file, %s: one digest" % form, digests)


def large(work):
    """40,000 by 30,000 pixels by bands in 300 MB; a progressive one tells what it needs."""
    work.write("large/baseline.jpg", huge_jpeg(40000, 30000))
    work.write("large/progressive.jpg", huge_jpeg(40000, 30000, True))
    path = work.write("large.yaml", """name: large
input: {paths: [large], format: images}
stages:
  - resize: {width: 400, draft: false, output: jpeg}
output: {columns: [key, width, height, image]}
limits: {memory: 300MB, record_time: 300s}
""")
    job, what = work.path("large.job"), "a JPEG of 1.2 gigapixels"
    run(work, what, path, job, "--executors", "1")
    rows = work.records(job)
    work.equal([(row["key"], row["width"], row["height"]) for row in rows],
               [("baseline.jpg", 40000, 30000)], what + ": runs within 300 MB")
    rejects = [(reject["key"], reject["reason"]) for reject in work.rejects(job)]
    work.equal(rejects, [("progressive.jpg", "needs_memory")],
               what + ": a progressive one does not")
    detail = work.rejects(job)[0]["detail"] or ""
    work.check("2292 MiB" in detail,
               what + ": and it is told how much it needs", detail)
    work.note(detail)
    shutil.rmtree(job)
    large_detection(work)


def large_detection(work):
    """The same with tiles at three scales and the whole picture, by a small model."""
    if not lib.onnx_library():
        work.skip("detection in 1.2 gigapixels",
                  "no ONNX Runtime: pipelines/prepare_onnxruntime data")
        return
    model = work.write("small.onnx", onnx_model.detector(64, 48))
    path = work.write("detect.yaml", """name: detect
input: {paths: [large], format: images}
stages:
  - detect: {model: %s, family: centernet_dla, head_options: {activation: probabilities},
      threshold: 1, scales: [1, 0.4, 0.1], tile: {width: 640, height: 480, overlap: 0.25}}
output: {columns: [key, boxes, views]}
limits: {memory: 300MB, record_time: 600s}
""" % lib.json.dumps(model))
    job, what = work.path("detect.job"), "detection in a JPEG of 1.2 gigapixels"
    run(work, what, path, job, "--executors", "1")
    rows = work.records(job)
    # (40000 - 640) / 480 and (30000 - 480) / 360, rounded up, and one; and so on.
    views = 83 * 83 + 33 * 33 + 8 * 8 + 1
    work.equal([(row["key"], row["boxes"], row["views"]) for row in rows],
               [("baseline.jpg", [], views)], what + ": all views, within 300 MB")
    work.equal([(reject["key"], reject["reason"]) for reject in work.rejects(job)],
               [("progressive.jpg", "needs_memory")], what + ": a progressive one does not")
    shutil.rmtree(job)


def main():
    work = lib.Workplace("images", 590)
    good_and_bad(work)
    damaged(work)
    tars(work)
    large(work)
    work.finish()


main()
