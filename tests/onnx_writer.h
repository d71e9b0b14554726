/* onnx_writer.h - for tests: write small models in ONNX format, field by field */
#ifndef TESTS_ONNX_WRITER_H
#define TESTS_ONNX_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"

/* Numbers of ONNX's element types. */
enum {
    WRITE_F32 = 1,
    WRITE_U8 = 2,
    WRITE_I32 = 6,
    WRITE_I64 = 7,
    WRITE_TEXT = 8,
    WRITE_F16 = 10
};

static inline void onnx_put_number(struct bytes *out, uint32_t field, uint64_t value)
{
    bytes_put_varint(out, (uint64_t)field << 3);
    bytes_put_varint(out, value);
}

static inline void onnx_put_bytes(struct bytes *out, uint32_t field, const void *data,
                                  size_t size)
{
    bytes_put_varint(out, (uint64_t)field << 3 | 2);
    bytes_put_text(out, data, size);
}

static inline void onnx_put_text(struct bytes *out, uint32_t field, const char *text)
{
    onnx_put_bytes(out, field, text, strlen(text));
}

/* Takes `part`. */
static inline void onnx_put_part(struct bytes *out, uint32_t field, struct bytes *part)
{
    onnx_put_bytes(out, field, part->data, part->size);
    bytes_clear(part);
}

/* A node with up to two inputs (NULL: none) and one output. `attributes` is taken. */
static inline void onnx_put_node(struct bytes *graph, const char *operation,
                                 const char *first, const char *second,
                                 const char *output, struct bytes *attributes)
{
    struct bytes node = {0};
    onnx_put_text(&node, 1, first);
    if (second)
        onnx_put_text(&node, 1, second);
    onnx_put_text(&node, 2, output);
    onnx_put_text(&node, 3, output);
    onnx_put_text(&node, 4, operation);
    if (attributes)
        onnx_put_part(&node, 5, attributes);
    onnx_put_part(graph, 1, &node);
}

/* An input (field 11) or output (12) of a graph; a dimension below 0 has a name: any. */
static inline void onnx_put_port(struct bytes *graph, uint32_t field, const char *name,
                                 uint32_t type, const int64_t *shape, size_t rank)
{
    struct bytes port = {0}, kind = {0}, tensor = {0}, dimensions = {0};
    for (size_t i = 0; i < rank; i++) {
        struct bytes dimension = {0};
        if (shape[i] < 0)
            onnx_put_text(&dimension, 2, shape[i] == -1 ? "batch" : "other");
        else
            onnx_put_number(&dimension, 1, (uint64_t)shape[i]);
        onnx_put_part(&dimensions, 1, &dimension);
    }
    onnx_put_number(&tensor, 1, type);
    onnx_put_part(&tensor, 2, &dimensions);
    onnx_put_part(&kind, 1, &tensor);
    onnx_put_text(&port, 1, name);
    onnx_put_part(&port, 2, &kind);
    onnx_put_part(graph, field, &port);
}

/* Weights in the model. */
static inline void onnx_put_weights(struct bytes *graph, const char *name, uint32_t type,
                                    const int64_t *shape, size_t rank, const void *data,
                                    size_t size)
{
    struct bytes tensor = {0};
    for (size_t i = 0; i < rank; i++)
        onnx_put_number(&tensor, 1, (uint64_t)shape[i]);
    onnx_put_number(&tensor, 2, type);
    onnx_put_text(&tensor, 8, name);
    onnx_put_bytes(&tensor, 9, data, size);
    onnx_put_part(graph, 5, &tensor);
}

/* Weights in a file beside the model. */
static inline void onnx_put_weights_beside(struct bytes *graph, const char *name,
                                           uint32_t type, const int64_t *shape,
                                           size_t rank, const char *file)
{
    struct bytes tensor = {0}, entry = {0};
    for (size_t i = 0; i < rank; i++)
        onnx_put_number(&tensor, 1, (uint64_t)shape[i]);
    onnx_put_number(&tensor, 2, type);
    onnx_put_text(&tensor, 8, name);
    onnx_put_text(&entry, 1, "location");
    onnx_put_text(&entry, 2, file);
    onnx_put_part(&tensor, 13, &entry);
    onnx_put_number(&tensor, 14, 1); /* EXTERNAL */
    onnx_put_part(graph, 5, &tensor);
}

/* The model around a graph, which is taken. */
static inline struct bytes onnx_model(struct bytes *graph)
{
    struct bytes model = {0}, operators = {0};
    onnx_put_text(graph, 2, "small");
    onnx_put_number(&operators, 2, 13);
    onnx_put_number(&model, 1, 8);
    onnx_put_part(&model, 7, graph);
    onnx_put_part(&model, 8, &operators);
    return model;
}

#endif
