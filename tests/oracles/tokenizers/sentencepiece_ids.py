#!/usr/bin/python3
"""sentencepiece_ids.py - what SentencePiece says of strings

usage: sentencepiece_ids.py MODEL STRINGS
"""
import struct
import sys

import sentencepiece

FLAG_OFFSETS = 16
BATCH = 1024


def read_strings(path):
    with open(path, "rb") as file:
        content = file.read()
    at = 0
    while at < len(content):
        flags, size = struct.unpack_from("<II", content, at)
        yield flags, content[at + 8:at + 8 + size].decode()
        at += 8 + size


def answer(ids, offsets, text):
    """`offsets` None: none were asked for."""
    numbers = [len(ids), len(text), offsets is not None, *ids, *(offsets or [])]
    return struct.pack("<%dI" % len(numbers), *numbers) + text


def main():
    model, path = sys.argv[1:]
    processor = sentencepiece.SentencePieceProcessor()
    processor.Load(model)
    strings = list(read_strings(path))
    for begin in range(0, len(strings), BATCH):
        batch = strings[begin:begin + BATCH]
        ids = processor.encode([text for _, text in batch], out_type=int, num_threads=1)
        spelt = processor.decode(ids, num_threads=1)
        for (flags, text), found, back in zip(batch, ids, spelt):
            offsets = None
            if flags & FLAG_OFFSETS:
                offsets = []
                for piece in processor.encode_as_immutable_proto(text).pieces:
                    offsets += [piece.begin, piece.end]
            sys.stdout.buffer.write(answer(found, offsets, back.encode()))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
