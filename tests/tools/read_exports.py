#!/usr/bin/python3
"""read_exports.py - read what `millrace export` wrote, with Python's own library alone

    read_exports.py FORMAT PATH

prints a JSON line for each document or sample. Written after the descriptions of the formats,
not after millrace; the readers are generators, so that large exports are read in little memory.
"""
import array
import csv
import glob
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tarfile

CODES = {"uint8": "B", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float32": "f",
         "float64": "d", "|u1": "B", "<u2": "H", "<i4": "i", "<u4": "I", "<f4": "f"}


def numbers(dtype, data):
    """Little-endian numbers as an array."""
    found = array.array(CODES[dtype])
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def need(holds, *what):
    if not holds:
        raise ValueError(" ".join(map(str, what)))


def unpack_from(file, layout):
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


# ---- Megatron ----

def megatron(prefix):
    """The documents, each as an array of ids: its sequences end to end."""
    with open(prefix + ".idx", "rb") as index:
        need(index.read(9) == b"MMIDIDX\0\0", "no index of Megatron")
        version, code, sequences, documents = unpack_from(index, "<QBQQ")
        need(version == 1, "version", version)
        dtype = {4: "int32", 8: "uint16"}[code]
        lengths = numbers("int32", index.read(4 * sequences))
        offsets = numbers("int64", index.read(8 * sequences))
        bounds = numbers("int64", index.read(8 * documents))
        need(not index.read(1), "bytes behind the index")
    need(len(bounds) == documents and bounds[0] == 0 and bounds[-1] == sequences, "documents")
    width = array.array(CODES[dtype]).itemsize
    end = 0
    with open(prefix + ".bin", "rb") as ids:
        for document in range(documents - 1):
            found = array.array(CODES[dtype])
            for number in range(bounds[document], bounds[document + 1]):
                need(offsets[number] == end, "offset of sequence", number)
                end += width * lengths[number]
                found.extend(numbers(dtype, ids.read(width * lengths[number])))
            yield found
        need(not ids.read(1), "ids behind the last sequence")


# ---- datatrove ----

def datatrove(prefix):
    """(ids, loss) of each document; loss is None without a mask."""
    with open(prefix + ".ds.metadata", encoding="utf-8") as metadata:
        name, count, _ = metadata.read().split("\n")
    width = int(name.rsplit("|", 1)[1])
    with open(prefix + ".ds.index", "rb") as index:
        ends = numbers("int64", index.read())
    mask = open(prefix + ".ds.loss", "rb") if os.path.exists(prefix + ".ds.loss") else None
    begin = 0
    with open(prefix + ".ds", "rb") as ids:
        for end in ends:
            data = ids.read(width * (end - begin))
            yield (numbers("uint16" if width == 2 else "uint32", data),
                   mask and list(mask.read(end - begin)))
            begin = end
        need(not ids.read(1), "ids behind the last document")
    need(begin == int(count), "the metadata say", count)
    if mask:
        need(not mask.read(1), "a mask behind the last document")
        mask.close()


# ---- OLMo, dolma ----

def npy(folder, dtype):
    """(ids, key, source, place in it) of each document of the tables. The arrays have no head:
    who reads them must know the type."""
    width = array.array(CODES[dtype]).itemsize
    for name in sorted(glob.glob(os.path.join(folder, "*.npy"))):
        end = 0
        with open(name, "rb") as ids, gzip.open(name[:-4] + ".csv.gz", "rt", newline="",
                                                encoding="utf-8") as table:
            for begin, after, key, source, place in csv.reader(table):
                need(int(begin) == end, name, "a document begins at", begin)
                end = int(after)
                yield numbers(dtype, ids.read(width * (end - int(begin)))), key, source, int(place)
            need(not ids.read(1), name, "ids behind the last document")


# ---- MosaicML streaming ----

def mds_value(encoding, data):
    kind, _, rest = encoding.partition(":")
    if kind in ("str", "bytes"):
        return data.decode() if kind == "str" else data
    if kind != "ndarray":
        return numbers({"int": "int64"}.get(kind, kind), data)[0]
    dtype, _, shape = rest.partition(":")
    if shape:
        return numbers(dtype, data)
    dimensions, width = data[0] >> 2, 1 << (data[0] & 3)
    sizes = [int.from_bytes(data[1 + i * width:1 + (i + 1) * width], "little")
             for i in range(dimensions)]
    found = numbers(dtype, data[1 + dimensions * width:])
    count = 1
    for size in sizes:
        count *= size
    need(count == len(found), "shape", sizes, "of", len(found))
    return found


def mds(folder):
    """Samples, each a dict."""
    with open(os.path.join(folder, "index.json"), encoding="utf-8") as file:
        index = json.load(file)
    need(index["version"] == 2, "version", index["version"])
    for shard in index["shards"]:
        packed = shard["zip_data"]
        name = os.path.join(folder, (packed or shard["raw_data"])["basename"])
        need(os.path.getsize(name) == (packed or shard["raw_data"])["bytes"], name, "size")
        if packed:
            data = subprocess.run(["zstd", "-dc", name], stdout=subprocess.PIPE,
                                  check=True).stdout
        else:
            with open(name, "rb") as file:
                data = file.read()
        need(len(data) == shard["raw_data"]["bytes"], name, "raw size")
        count = int.from_bytes(data[:4], "little")
        need(count == shard["samples"], name, "samples")
        offsets = numbers("uint32", data[4:8 + 4 * count])
        config = json.loads(data[8 + 4 * count:offsets[0]])
        need(all(shard[key] == value for key, value in config.items()), name, "configuration")
        need(offsets[-1] == len(data), name, "end")
        for begin, end in zip(offsets, offsets[1:]):
            yield mds_sample(config, data[begin:end])


def mds_sample(config, data):
    sample, sizes = {}, []
    variable = config["column_sizes"].count(None)
    heads = iter(numbers("uint32", data[:4 * variable]))
    at = 4 * variable
    for size in config["column_sizes"]:
        sizes.append(next(heads) if size is None else size)
    for name, encoding, size in zip(config["column_names"], config["column_encodings"], sizes):
        sample[name] = mds_value(encoding, data[at:at + size])
        at += size
    need(at == len(data), "a sample has", len(data), "bytes, not", at)
    return sample


# ---- WebDataset ----

def tar_value(name, data):
    if name.endswith("json"):
        return json.loads(data)
    if name.endswith(".txt"):
        return data.decode()
    if not name.endswith(".npy"):
        return data
    need(data[:8] == b"\x93NUMPY\1\0", "no array of numpy")
    end = 10 + int.from_bytes(data[8:10], "little")
    need(end % 64 == 0 and data[end - 1:end] == b"\n", "the head of an array")
    head = data[10:end].decode()
    return numbers(head.split("'descr': '")[1].split("'")[0], data[end:])


def tar(folder):
    """Samples: {"__key__": name, field: value}."""
    sample = {}
    for name in sorted(glob.glob(os.path.join(folder, "*.tar"))):
        with tarfile.open(name) as archive:
            for member in archive:
                key, field = os.path.basename(member.name).split(".", 1)
                if sample and sample["__key__"] != key:
                    yield sample
                    sample = {}
                sample["__key__"] = key
                sample[field] = tar_value(field, archive.extractfile(member).read())
    if sample:
        yield sample


def main():
    readers = {"megatron": megatron, "datatrove": datatrove, "npy": npy, "mds": mds, "tar": tar}
    if len(sys.argv) < 3 or sys.argv[1] not in readers:
        sys.exit(__doc__)
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    for item in readers[sys.argv[1]](*sys.argv[2:]):
        print(json.dumps(item, ensure_ascii=False, default=list), file=out)
    out.flush()


if __name__ == "__main__":
    main()
