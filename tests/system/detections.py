"""detections.py - faces of real photos, and of a large mosaic, by real detectors"""
# time limit: 300 s
import json
import os
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import system_lib as lib

PIPELINE = """name: faces
input: {paths: %s, format: images}
stages:
  - %s
output: {columns: [key, boxes%s]}
"""
TILES = "full_image: false, tile: {width: 640, height: 480, overlap: 0.25}, threshold: 0.75"
MOSAIC = "mosaic_faces_4096x3072.jpg"


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def faces_of_photos(folder):
    """{photo: its faces}, those that count."""
    truth = {}
    for name in ("training.xml", "testing.xml"):
        root = xml.etree.ElementTree.parse(os.path.join(folder, name)).getroot()
        for image in root.find("images"):
            boxes = [[int(box.get(side)) for side in ("left", "top", "width", "height")]
                     for box in image.findall("box") if not box.get("ignore")]
            truth[image.get("file")] = [(x, y, x + width, y + height)
                                        for x, y, width, height in boxes]
    return truth


def score(rows, truth):
    """Faces found, boxes on no face, further boxes on a face that has one already."""
    found = false = twice = 0
    for row in rows:
        faces, boxes = truth[os.path.basename(row["key"])], row["boxes"]
        found += sum(any(overlap(face, box) > 0.35 for box in boxes) for face in faces)
        best = [max(range(len(faces)), key=lambda i, box=box: overlap(faces[i], box))
                for box in boxes]
        on_face = [i for i, box in zip(best, boxes) if overlap(faces[i], box) > 0.2]
        false += len(boxes) - len(on_face)
        twice += len(on_face) - len(set(on_face))
    return found, false, twice


class Faces:
    def __init__(self, work, shared):
        self.work, self.folder = work, os.path.join(shared, "images/faces")
        self.models = os.path.join(shared, "models")
        self.ultraface = "model: %s, family: ultraface" % json.dumps(
            os.path.join(self.models, "ultraface-rfb320.onnx"))
        self.photos = faces_of_photos(self.folder)
        with open(os.path.join(self.folder, "mosaic_faces.json"), encoding="utf-8") as file:
            self.mosaic = {MOSAIC: [tuple(box) for box in json.load(file)["boxes"]]}

    def find(self, what, stage, truth):
        """Faces found, false ones, twice found ones, and views."""
        paths = json.dumps([os.path.join(self.folder, name) for name in truth])
        is_detect = stage.startswith("detect")
        path = self.work.write("faces.yaml", PIPELINE % (paths, stage,
                                                         ", views" if is_detect else ""))
        job = self.work.path(what.replace(" ", "-") + ".job")
        self.work.ran(self.work.millrace("run", path, "--job", job, "--quiet"), what)
        rows = self.work.records(job)
        self.work.equal(len(rows), len(truth), what + ": every picture comes out")
        got = score(rows, truth)
        self.work.note("%s: %d of %d found, %d false, %d twice" % (
            what, got[0], sum(map(len, truth.values())), got[1], got[2]))
        return (*got, sum(row["views"] for row in rows) if is_detect else 0)


def main():
    work = lib.Workplace("faces", 290)
    shared = lib.shared_data()
    if not shared or not lib.onnx_library():
        work.skip("faces of real photos", "no shared data or no ONNX Runtime here")
        work.finish()
        return
    faces = Faces(work, shared)
    got = faces.find("ultraface on photos", "detect: {%s}" % faces.ultraface, faces.photos)
    work.equal(got[:3], (43, 0, 0), "ultraface on photos: 43 of 43, none false")
    mtcnn = "mtcnn: {models: %s%%s}" % json.dumps(faces.models)
    got = faces.find("mtcnn on photos", mtcnn % "", faces.photos)
    work.check(got[0] >= 42 and got[1] <= 1 and got[2] == 0,
               "mtcnn on photos: 42 of 43 at least, one false at most", got)
    got = faces.find("mtcnn on the mosaic", mtcnn % (
        ", min_face: 30, factor: 0.8, thresholds: [0.6, 0.7, 0.9]"), faces.mosaic)
    work.check(got[0] >= 81 and got[1] <= 2,
               "mtcnn on the mosaic: 81 of 82 at least, two false at most", got)
    merge = "merge: {method: nms, metric: ios}"
    whole = faces.find("the whole mosaic", "detect: {%s, threshold: 0.75}" % faces.ultraface,
                       faces.mosaic)
    full = faces.find("a pyramid", "detect: {%s, %s, scales: [1, 0.4], %s}" % (
        faces.ultraface, TILES, merge), faces.mosaic)
    work.check(full[0] >= 81 and full[1] <= 3 and full[2] == 0 and whole[0] < 40,
               "a pyramid: 81 of 82 at least, three false at most, none twice", (full, whole))
    focus = faces.find("coarse to fine", "detect: {%s, %s, scales: [1, 0.4], %s, focus: "
                       "{threshold: 0.2}}" % (faces.ultraface, TILES, merge), faces.mosaic)
    work.check(focus[0] >= full[0] - 1 and 2 * focus[3] <= full[3],
               "coarse to fine: one less at most, from half of the views at most", (focus, full))
    work.finish()


main()
