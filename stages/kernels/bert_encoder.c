/* bert_encoder.c - BERT's normalizer, its splitter and WordPiece in one pass */
#include "stages/kernels/bert_encoder.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/compiler.h"
#include "stages/kernels/bert_kernels.h"
#include "stages/kernels/bert_text.h"
#include "stages/kernels/text_builder.h"
#include "stages/kernels/tokenizer_spec.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/wordpiece.h"

enum { KEY_READ = 16, TEXT_LIMIT = 1 << 30 };

struct bert_encoder {
    struct bert_map map;   /* for cutting */
    struct bert_map plain; /* for text that is not UTF-8 */
    struct wordpiece model;
    struct piece_cache cache;
    struct bert_words words;
    struct word_place places[BERT_WORDS + 1];
};

bool bert_encoder_fits(const struct tokenizer_spec *spec)
{
    return spec->normalizer_count == 1 && spec->normalizers[0].kind == NORMALIZER_BERT &&
           spec->normalizers[0].clean_text && spec->splitter_count == 1 &&
           spec->splitters[0].kind == SPLITTER_BERT &&
           spec->model.kind == MODEL_WORDPIECE;
}

enum error_code bert_encoder_build(const struct tokenizer_spec *spec, struct arena *work,
                                   struct bytes *image, struct error *error)
{
    enum error_code code = OK;
    for (int is_cut = 0; is_cut < 2 && code == OK; is_cut++) {
        struct bytes map = {0};
        code = bert_map_build(spec->normalizers, is_cut, work, &map, error);
        bytes_put_u64(image, map.size);
        if (code == OK)
            bytes_put(image, map.data, map.size);
        if (code == OK && image->is_bad)
            code = error_set(error, ERROR_MEMORY, "no memory for a tokenizer");
        bytes_clear(&map);
    }
    return code == OK ? wordpiece_build(spec, work, image, error) : code;
}

static enum error_code open_map(struct bert_map *map, struct cursor *cursor,
                                struct arena *run, struct error *error)
{
    uint64_t size = cursor_u64(cursor);
    const unsigned char *image = cursor_take(cursor, size);
    if (cursor->is_bad)
        return error_set(error, ERROR_DAMAGED, "a prepared tokenizer is damaged");
    return bert_map_open(map, image, size, run, error);
}

enum error_code bert_encoder_open(const void *image, size_t size, struct arena *run,
                                  struct bert_encoder **encoder, struct error *error)
{
    struct cursor cursor = cursor_over(image, size);
    struct bert_encoder *opened =
        arena_alloc(run, 1, sizeof *opened, _Alignof(struct bert_encoder));
    if (!opened)
        return error_set(error, ERROR_MEMORY, "no memory for a tokenizer");
    enum error_code code = open_map(&opened->plain, &cursor, run, error);
    if (code == OK)
        code = open_map(&opened->map, &cursor, run, error);
    if (code == OK)
        code = wordpiece_open(&opened->model, cursor.at, cursor_left(&cursor), error);
    if (code == OK && !piece_cache_init(&opened->cache, run))
        code = error_set(error, ERROR_MEMORY, "no memory for a cache of words");
    if (code == OK)
        *encoder = opened;
    return code;
}

/* Keys and slots of a batch first: the cache lines are on their way when they are looked
 * at. KEY_READ bytes can be read behind the text. */
static void prepare_words(struct bert_encoder *encoder)
{
    const struct bert_words *words = &encoder->words;
    for (size_t i = 0; i < words->end_count; i++) {
        const unsigned char *word = words->text + words->begins[i];
        size_t size = words->ends[i] - words->begins[i];
        struct word_place *place = encoder->places + i;
        if (size <= PIECE_KEY_MAX) {
            place->key = piece_key_load(word, size);
            place->slot = piece_key_slot(place->key);
            PREFETCH(encoder->cache.small + place->slot);
        } else {
            place->slot = piece_large_hash(word, size);
            PREFETCH(piece_large_line(&encoder->cache, place->slot, size));
        }
    }
}

static uint32_t *encode_words(struct bert_encoder *encoder, uint32_t *ids)
{
    const struct bert_words *words = &encoder->words;
    for (size_t i = 0; i < words->end_count; i++) {
        size_t size = words->ends[i] - words->begins[i];
        const struct piece_slot *slot = NULL;
        if (size <= PIECE_KEY_MAX)
            slot = piece_cache_find(&encoder->cache, encoder->places[i].key,
                                    encoder->places[i].slot);
        uint32_t count = slot ? slot->ids[0] >> PIECE_COUNT_SHIFT : PIECE_IN_LARGE;
        if (UNLIKELY(count == PIECE_IN_LARGE))
            ids += wordpiece_encode_missed(&encoder->model, &encoder->cache,
                                           words->text + words->begins[i], size,
                                           encoder->places[i], slot, ids);
        else
            ids += piece_slot_get(slot, ids);
    }
    return ids;
}

/* The text, ready for the word finder, with KEY_READ bytes behind it. */
static enum error_code make_text(const struct bert_encoder *encoder,
                                 const unsigned char *text, size_t size,
                                 struct arena *scratch, struct bert_words *words,
                                 struct error *error)
{
    struct text_builder builder;
    text_builder_begin(&builder, scratch, 3 * size + 2 * (size_t)KEY_READ, false);
    if (!bert_text_put(&encoder->map, text, size, &builder)) {
        struct text_builder plain;
        builder.size = 0;
        text_builder_begin(&plain, scratch, 3 * size + KEY_READ, false);
        (void)bert_text_put(&encoder->plain, text, size, &plain);
        if (!plain.is_bad)
            bert_text_put_cut(plain.text, plain.size, &builder);
        builder.is_bad = builder.is_bad || plain.is_bad;
    }
    unsigned char *behind = text_builder_reserve(&builder, KEY_READ);
    if (!behind)
        return error_set(error, ERROR_MEMORY, "no memory for a normalized text");
    memset(behind, 0, KEY_READ);
    words->text = builder.text;
    words->size = builder.size;
    words->at = words->begin_count = words->end_count = 0;
    words->is_in_word = words->is_after_mark = 0;
    return OK;
}

enum error_code bert_encoder_run(struct bert_encoder *encoder, const unsigned char *text,
                                 size_t size, struct arena *scratch, uint32_t *ids,
                                 size_t *count, struct error *error)
{
    uint32_t *out = ids;
    struct bert_words *words = &encoder->words;
    if (size >= TEXT_LIMIT)
        return error_set(error, ERROR_RECORD, "the text has 1 GiB or more");
    enum error_code code = make_text(encoder, text, size, scratch, words, error);
    if (code != OK)
        return code;
    while (words->at < words->size) {
        encoder->map.kernels.find_words(words);
        prepare_words(encoder);
        out = encode_words(encoder, out);
    }
    *count = (size_t)(out - ids);
    return OK;
}
