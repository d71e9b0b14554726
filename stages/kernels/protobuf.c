/* protobuf.c - walk over the fields of a Protocol Buffers message */
#include "stages/kernels/protobuf.h"

#include <string.h>

#include "core/bytes.h"

enum { WIRE_BITS = 3, FIELD_NUMBER_MAX = (1 << 29) - 1 };

bool protobuf_next(struct cursor *cursor, struct protobuf_field *field)
{
    if (cursor_left(cursor) == 0)
        return false;
    uint64_t tag = cursor_varint(cursor);
    uint64_t number = tag >> WIRE_BITS;
    *field = (struct protobuf_field){
        .number = number <= FIELD_NUMBER_MAX ? (uint32_t)number : 0,
        .wire = (enum protobuf_wire)(tag & ((1u << WIRE_BITS) - 1)),
    };
    switch (field->wire) {
    case WIRE_VARINT:
        field->value = cursor_varint(cursor);
        break;
    case WIRE_FIXED64:
        field->value = cursor_u64(cursor);
        break;
    case WIRE_FIXED32:
        field->value = cursor_u32(cursor);
        break;
    case WIRE_BYTES: {
        uint64_t size = cursor_varint(cursor);
        if (size > cursor_left(cursor))
            cursor->is_bad = true;
        field->data = cursor_take(cursor, (size_t)size);
        field->size = (size_t)size;
        break;
    }
    default:
        cursor->is_bad = true;
    }
    if (field->number == 0)
        cursor->is_bad = true;
    return !cursor->is_bad;
}

float protobuf_float(const struct protobuf_field *field)
{
    uint32_t bits = (uint32_t)field->value;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}
