/* message_pack.h - the part of MessagePack that volumes use: maps, arrays, texts, binaries,
 * numbers from 0 on
 *
 * Of our own because a reader of bytes from outside must not take memory for what a
 * header claims; this one takes none at all. */
#ifndef CORE_MESSAGE_PACK_H
#define CORE_MESSAGE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;
struct cursor;

void message_pack_map(struct bytes *out,
                      uint32_t count); /* then count times key and value */
void message_pack_array(struct bytes *out, uint32_t count); /* then count values */
void message_pack_number(struct bytes *out, uint64_t value);
void message_pack_nil(struct bytes *out);
void message_pack_text(struct bytes *out, const char *text); /* zero-terminated */
/* The head of a binary: `size` bytes follow, put by the caller. */
void message_pack_binary_head(struct bytes *out, uint32_t size);
void message_pack_binary(struct bytes *out, const void *data, uint32_t size);

enum message_pack_type {
    PACK_NIL,
    PACK_NUMBER,
    PACK_TEXT,
    PACK_BINARY,
    PACK_ARRAY,
    PACK_MAP
};

struct message_pack_item {
    enum message_pack_type type;
    uint64_t number;           /* a number; or how many items or pairs follow */
    const unsigned char *data; /* of a text or binary; borrowed, as the cursor's bytes */
    size_t size;
};

/* The next item; of arrays and maps the head alone. False, and the cursor bad, for
 * anything else. A count is not more than the bytes left. */
bool message_pack_read(struct cursor *cursor, struct message_pack_item *item);
/* The next item must be of this type. */
bool message_pack_read_as(struct cursor *cursor, enum message_pack_type type,
                          struct message_pack_item *item);
bool message_pack_is_text(const struct message_pack_item *item, const char *text);

#endif
