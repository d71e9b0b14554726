/* protobuf.h - walk over the fields of a Protocol Buffers message */
#ifndef STAGES_KERNELS_PROTOBUF_H
#define STAGES_KERNELS_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor;

enum protobuf_wire {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t value;            /* of a number, as it is stored */
    const unsigned char *data; /* (size) of bytes, text or a message; borrowed */
    size_t size;
};

/* The next field of the message that the cursor stands in. False at its end, or where it
 * is damaged: cursor->is_bad tells which. Groups, which nobody writes any more, count as
 * damage. */
bool protobuf_next(struct cursor *cursor, struct protobuf_field *field);

/* A field of wire type WIRE_FIXED32 as a float. */
float protobuf_float(const struct protobuf_field *field);

#endif
