"""onnx_model.py - for tests: a small detector in ONNX format, its weights made of nothing"""
import array
import random


def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _block(field, data):
    data = data.encode() if isinstance(data, str) else data
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _ints(name, values):
    return _block(5, _block(1, name) + b"".join(_number(8, value) for value in values)
                  + _number(20, 7))


def _node(operation, inputs, output, attributes=b""):
    return _block(1, b"".join(_block(1, name) for name in inputs) + _block(2, output)
                  + _block(3, output) + _block(4, operation) + attributes)


def _weights(name, shape, values):
    return _block(5, b"".join(_number(1, side) for side in shape) + _number(2, 1)
                  + _block(8, name) + _block(9, array.array("f", values).tobytes()))


def _port(field, name, shape):
    sides = b"".join(_block(1, _block(2, side) if isinstance(side, str) else _number(1, side))
                     for side in shape)
    tensor = _number(1, 1) + _block(2, sides)
    return _block(field, _block(1, name) + _block(2, _block(1, tensor)))


def detector(width=64, height=48, classes=3, seed=1):
    """A CenterNet of one convolution for each of heat map, sizes and offsets: "pixels"
    (batch, 3, height, width) to "heat", "wh" and "reg", a quarter of the size. What it finds
    makes no sense, but depends on every pixel."""
    chance = random.Random(seed)
    outputs = {"heat": (classes, "Sigmoid", 0.02), "wh": (2, "Abs", 0.05),
               "reg": (2, "Sigmoid", 0.02)}
    graph, ports = b"", b""
    for name, (channels, shape, scale) in outputs.items():
        count = channels * 3 * 8 * 8
        graph += _weights(name + ".w", (channels, 3, 8, 8),
                          [chance.gauss(0, scale) for _ in range(count)])
        graph += _node("Conv", ("pixels", name + ".w"), name + ".raw",
                       _ints("strides", (4, 4)) + _ints("pads", (2, 2, 2, 2))
                       + _ints("kernel_shape", (8, 8)))
        graph += _node(shape, (name + ".raw",), name)
        ports += _port(12, name, ("batch", channels, height // 4, width // 4))
    graph += _block(2, "small") + _port(11, "pixels", ("batch", 3, height, width)) + ports
    return _number(1, 8) + _block(7, graph) + _block(8, _number(2, 13))


def glance(width, height):
    """A model that looks at the largest number of each channel alone: "pixels" (batch, 3,
    height, width) to "boxes" (batch, 1, 6), read by the head end_to_end."""
    graph = _node("GlobalMaxPool", ("pixels",), "most")
    graph += _node("Concat", ("most", "most"), "twice", _block(
        5, _block(1, "axis") + _number(3, 1) + _number(20, 2)))
    shape = _number(1, 3) + _number(2, 7) + _block(8, "shape") + _block(
        9, array.array("q", (0, 1, 6)).tobytes())
    graph += _block(5, shape) + _node("Reshape", ("twice", "shape"), "boxes")
    graph += (_block(2, "glance") + _port(11, "pixels", ("batch", 3, height, width))
              + _port(12, "boxes", ("batch", 1, 6)))
    return _number(1, 8) + _block(7, graph) + _block(8, _number(2, 13))
