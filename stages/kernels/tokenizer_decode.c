/* tokenizer_decode.c - ids back to text */
#include "stages/kernels/tokenizer.h"

#include <string.h>

#include "core/bytes.h"
#include "stages/kernels/tokenizer_parts.h"

enum { MARK_SIZE = 3 };

static bool is_mark(const unsigned char *text, size_t size)
{
    return size >= MARK_SIZE && text[0] == 0xE2 && text[1] == 0x96 && text[2] == 0x81;
}

/* U+2581 as a space. */
static void put_with_spaces(struct bytes *out, const unsigned char *text, size_t size)
{
    for (size_t at = 0, begin = 0; at <= size;) {
        bool has_mark = is_mark(text + at, size - at);
        if (has_mark || at == size) {
            bytes_put(out, text + begin, at - begin);
            if (has_mark)
                bytes_put_u8(out, ' ');
            begin = at + MARK_SIZE;
        }
        at += has_mark ? MARK_SIZE : 1;
    }
}

/* Does no space stand before the token, once what WordPiece spells is cleaned up? */
static bool is_attached(const unsigned char *text, size_t size)
{
    static const char *const attached[] = {".",  "?",  "!",   ",",  "n't",
                                           "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof attached / sizeof *attached; i++) {
        size_t length = strlen(attached[i]);
        if (size >= length && memcmp(text, attached[i], length) == 0)
            return true;
    }
    return false;
}

/* Without its first `from` bytes. */
static void put_token(const struct tokenizer *tokenizer, uint32_t id, size_t from,
                      bool is_first, struct bytes *out)
{
    const unsigned char *text = tokenizer->texts + tokenizer->starts[id] + from;
    size_t size = tokenizer->starts[id + 1] - tokenizer->starts[id] - from;
    unsigned kind = tokenizer->kinds[id];
    bool is_part = (kind & ID_PART) != 0;
    if (tokenizer->decoder == DECODER_WORDPIECE && !is_first) {
        size_t skipped =
            is_part && size >= tokenizer->prefix_size ? tokenizer->prefix_size : 0;
        text += skipped;
        size -= skipped;
        if (!is_part && !(tokenizer->flags & FLAG_CLEANED && is_attached(text, size)))
            bytes_put_u8(out, ' ');
    }
    if (tokenizer->decoder == DECODER_METASPACE && !(kind & ID_BYTES))
        put_with_spaces(out, text, size);
    else
        bytes_put(out, text, size);
}

/* Is the token's first U+2581 one that was put before the text, and goes? */
static bool is_put_in(const struct tokenizer *tokenizer, uint32_t id)
{
    const unsigned char *text = tokenizer->texts + tokenizer->starts[id];
    return !(tokenizer->kinds[id] & ID_BYTES) &&
           is_mark(text, tokenizer->starts[id + 1] - tokenizer->starts[id]);
}

/* The space that was put before the text, or behind it. */
static void drop_space(const struct tokenizer *tokenizer, struct bytes *out, size_t begin)
{
    if (tokenizer->decoder != DECODER_METASPACE || out->is_bad || out->size == begin)
        return;
    if (tokenizer->flags & FLAG_DROP_FIRST && out->data[begin] == ' ') {
        memmove(out->data + begin, out->data + begin + 1, out->size - begin - 1);
        out->size--;
    } else if (tokenizer->flags & FLAG_DROP_LAST && out->data[out->size - 1] == ' ') {
        out->size--;
    }
}

enum error_code tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids,
                                 size_t count, bool with_specials, struct bytes *text,
                                 struct error *error)
{
    size_t begin = text->size;
    bool is_first = true, drops_marks = tokenizer->flags & FLAG_DROP_MARK;
    for (size_t i = 0; i < count; i++) {
        uint32_t id = ids[i];
        if (id >= tokenizer->id_limit || !(tokenizer->kinds[id] & ID_EXISTS))
            return error_set(error, ERROR_RECORD, "%u is no token", (unsigned)id);
        if (tokenizer->kinds[id] & ID_SPECIAL && !with_specials)
            continue;
        bool is_dropped = drops_marks && text->size == begin && is_put_in(tokenizer, id);
        put_token(tokenizer, id, is_dropped ? MARK_SIZE : 0, is_first, text);
        if (is_dropped && !(tokenizer->flags & FLAG_DROP_MARKS))
            drops_marks = false;
        is_first = false;
    }
    drop_space(tokenizer, text, begin);
    return text->is_bad ? error_set(error, ERROR_MEMORY, "no memory for a text") : OK;
}
