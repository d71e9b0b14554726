#!/usr/bin/python3
# time limit: 1800 s
"""detectors.py - compare what the stage detect finds with a plain run of the same models

Reference: the models by npm's onnxruntime-node, their outputs decoded here as their authors'
programs do, without merging. Models and photos are those of $MILLRACE_SHARED. Photos are brought
to the size of the input beforehand, so that nothing is resized on either side.
"""
import array
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("MILLRACE_BUILD", os.path.join(ROOT, "build")))
MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, "millrace"))
SHARED = os.environ.get("MILLRACE_SHARED", os.path.join(ROOT, "..", "shared", "data"))
MODULES = os.path.join(BUILD, "oracles", "node_modules")
WORK = os.path.join(BUILD, "oracles", "detectors")
PHOTOS = 24
NEAR = 1e-3  # pixels, and of scores


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError("%s: %s" % (words[0], done.stderr[-400:]))
    return done.stdout


def pipeline(name, text):
    path = os.path.join(WORK, name + ".yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("name: %s\n%s" % (name, text))
    job = os.path.join(WORK, name + ".job")
    run(MILLRACE, "run", path, "--job", job, "--quiet")
    return job


# ---- pictures ----


def unfilter(kind, row, above):
    for i, value in enumerate(row):
        left = row[i - 3] if i >= 3 else 0
        corner = above[i - 3] if i >= 3 else 0
        up = above[i]
        if kind == 1:
            value += left
        elif kind == 2:
            value += up
        elif kind == 3:
            value += (left + up) // 2
        elif kind == 4:
            guess = left + up - corner
            far = abs(guess - left), abs(guess - up), abs(guess - corner)
            value += left if far[0] == min(far) else up if far[1] == min(far) else corner
        row[i] = value & 255


def png_pixels(content):
    """Width, height and RGB bytes of an 8-bit colour PNG."""
    at, data, size = 8, b"", (0, 0)
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at:at + 8])
        body = content[at + 8:at + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        elif kind == b"IDAT":
            data += body
        at += length + 12
    raw, step = zlib.decompress(data), 3 * size[0] + 1
    rows, above = [], bytes(step - 1)
    for y in range(size[1]):
        row = bytearray(raw[y * step + 1:(y + 1) * step])
        unfilter(raw[y * step], row, above)
        rows.append(row)
        above = row
    return size[0], size[1], b"".join(rows)


def prepare_photos(side):
    """PNG files of the size of the input; their paths."""
    folder = os.path.join(WORK, "photos-%d" % side)
    os.makedirs(folder)
    source = os.path.join(SHARED, "images/photos")
    names = sorted(name for name in os.listdir(source) if name.endswith(".jpg"))[:PHOTOS]
    job = pipeline("resize-%d" % side, """input: {paths: %s, format: images}
stages:
  - resize: {width: %d, height: %d, fit: stretch, output: png}
output: {columns: [key, image]}
""" % (json.dumps([os.path.join(source, name) for name in names]), side, side))
    run(MILLRACE, "export", job, "--format", "tar", "--out",
        os.path.join(WORK, "tar-%d" % side))
    for archive in sorted(os.listdir(os.path.join(WORK, "tar-%d" % side))):
        if archive.endswith(".tar"):
            run("tar", "-xf", os.path.join(WORK, "tar-%d" % side, archive), "-C", folder)
    found = []
    for place, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                if file.read(4) == b"\x89PNG":
                    found.append(path)
    return sorted(found)


# ---- decoding, as plainly as can be ----


def planes(pixels, mean, divisor, is_bgr):
    numbers = array.array("f")
    for channel in range(3):
        values = pixels[2 - channel if is_bgr else channel::3]
        numbers.extend((value - mean[channel]) / divisor[channel] for value in values)
    return numbers.tobytes()


def nanodet_input(pixels, side):
    return "float32", "1,3,%d,%d" % (side, side), planes(
        pixels, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), True)


def softmax_mean(values):
    most = max(values)
    powers = [math.exp(value - most) for value in values]
    return sum(i * power for i, power in enumerate(powers)) / sum(powers)


def nanodet_boxes(outputs, side, threshold):
    """GFL: middles of cells, distances as means over bins, all classes above the threshold."""
    boxes = []
    for stride in (8, 16, 32):
        cells = (side // stride) ** 2
        scores = next(o for o in outputs if o["dims"][1:] == [cells, 80])
        edges = next(o for o in outputs if o["dims"][1] == cells and o is not scores)
        bins = edges["dims"][2] // 4
        for at, score in enumerate(scores["data"]):
            if score <= threshold - NEAR:
                continue
            cell, kind = divmod(at, 80)
            x = (cell % (side // stride) + 0.5) * stride
            y = (cell // (side // stride) + 0.5) * stride
            first = cell * 4 * bins
            left, up, right, down = (
                stride * softmax_mean(edges["data"][first + k * bins:first + (k + 1) * bins])
                for k in range(4))
            boxes.append((x - left, y - up, x + right, y + down, score, kind))
    return boxes


def centernet_input(pixels, side):
    return "float32", "1,%d,%d,3" % (side, side), array.array("f", list(pixels)).tobytes()


def centernet_boxes(outputs, side, threshold):
    """Peaks among their nine, distances to four edges, stride 4."""
    heat = next(o for o in outputs if 80 in o["dims"])
    edges = next(o for o in outputs if o is not heat)
    grid = side // 4
    is_last = heat["dims"][3] == 80

    def value(tensor, channels, channel, x, y):
        place = ((y * grid + x) * channels + channel if is_last
                 else (channel * grid + y) * grid + x)
        return tensor["data"][place]

    boxes = []
    for y in range(grid):
        for x in range(grid):
            for kind in range(80):
                score = value(heat, 80, kind, x, y)
                if score <= threshold - NEAR or any(
                        value(heat, 80, kind, i, j) > score
                        for j in range(max(y - 1, 0), min(y + 2, grid))
                        for i in range(max(x - 1, 0), min(x + 2, grid))):
                    continue
                left, up, right, down = (value(edges, 4, k, x, y) for k in range(4))
                boxes.append((4 * x - left, 4 * y - up, 4 * x + right, 4 * y + down, score,
                              kind))
    return boxes


# ---- comparing ----


def clipped(box, side):
    edges = [min(max(value, 0.0), side) for value in box[:4]]
    return (*edges, *box[4:]) if edges[0] < edges[2] and edges[1] < edges[3] else None


def differences(ours, theirs, threshold):
    """Boxes without a partner; those at the threshold may be on one side alone."""
    left = list(theirs)
    lonely = []
    for box in ours:
        partner = next((other for other in left if other[5] == box[5] and all(
            abs(a - b) <= NEAR for a, b in zip(box[:5], other[:5]))), None)
        if partner:
            left.remove(partner)
        else:
            lonely.append(box)
    return [box for box in lonely + left if box[4] > threshold + NEAR]


def compare(model, family, side, threshold, make_input, decode):
    """Photos, boxes and what differs."""
    path = os.path.join(SHARED, "models", model)
    photos = prepare_photos(side)
    job = pipeline(family, """input: {paths: %s, format: images}
stages:
  - detect: {model: %s, family: %s, threshold: %g, merge: {method: none}}
output: {columns: [key, boxes]}
""" % (json.dumps(photos), json.dumps(path), family, threshold))
    ours = {}
    for line in run(MILLRACE, "show", job).splitlines():
        row = json.loads(line)
        ours[os.path.basename(row["key"])] = row["boxes"]
    boxes, wrong = 0, []
    for photo in photos:
        with open(photo, "rb") as file:
            pixels = png_pixels(file.read())[2]
        kind, shape, numbers = make_input(pixels, side)
        with open(os.path.join(WORK, "input"), "wb") as file:
            file.write(numbers)
        run("node", os.path.join(HERE, "detectors", "run_model.js"), MODULES, path, kind,
            shape, os.path.join(WORK, "input"), os.path.join(WORK, "output"))
        with open(os.path.join(WORK, "output"), encoding="utf-8") as file:
            found = decode(json.load(file), side, threshold)
        theirs = [box for box in (clipped(box, side) for box in found) if box]
        name = os.path.basename(photo)
        boxes += len(ours[name])
        wrong += [(name, box) for box in differences(ours[name], theirs, threshold)]
    return len(photos), boxes, wrong


def main():
    if not os.path.isdir(os.path.join(SHARED, "models")):
        print("1..0 # SKIP the models are not here: no shared data")
        return 0
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    cases = (("nanodet-g-416-coco.onnx", "nanodet", 416, 0.25, nanodet_input, nanodet_boxes),
             ("centernet-mbv3-512-coco.onnx", "centernet", 512, 0.2, centernet_input,
              centernet_boxes))
    failed = 0
    for number, case in enumerate(cases, 1):
        photos, boxes, wrong = compare(*case)
        is_good = not wrong and photos == PHOTOS and boxes > PHOTOS
        failed += not is_good
        print("%s %d - %s: %d boxes of %d photos as onnxruntime-node's, within %g" % (
            "ok" if is_good else "not ok", number, case[1], boxes, photos, NEAR))
        for difference in wrong[:5]:
            print("# differs: %s %s" % difference)
    print("1..%d" % len(cases))
    shutil.rmtree(WORK)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
