/* model_unigram.c - Unigram models: ways through words remembered, others searched
 *
 * Words are cut where no piece reaches across, so all that a word inherits is the sum in
 * front of it. What is remembered of a word holds wherever rounding cannot decide
 * (unigram_path.h); elsewhere the word is searched again from its true sum. */
#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/compiler.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/unigram_path.h"
#include "stages/kernels/unigram_table.h"
#include "stages/kernels/word_batch.h"

enum {
    SHORT_WORD = 256,      /* bytes: room for its ways is kept */
    LIMIT_BITS = 0xFF,     /* of what is noted with a word */
    NOTE_UNKNOWN = 1 << 8, /* it has an unknown id */
    LIMIT_NONE = 1 << 8    /* no word holds for sure */
};

/* A word of the batch that is not in its line of the cache, or not for sure. Its ids have
 * room for as many as it has bytes. */
struct missed_word {
    uint32_t word;
    uint32_t *ids;
};

struct unigram_state {
    struct unigram_table table;
    double largest; /* magnitude of a score */
    struct word_cache cache;
    struct word_batch batch;
    size_t starts[WORD_BATCH], counts[WORD_BATCH]; /* of the ids of its words */
    struct missed_word missed[WORD_BATCH];
    struct path_node nodes[SHORT_WORD + 1];
    double seconds[SHORT_WORD + 1];
};

static enum error_code open_model(void *state, const void *image, size_t size,
                                  struct arena *run, struct error *error)
{
    struct unigram_state *self = state;
    enum error_code code = unigram_table_open(image, size, &self->table, error);
    if (code != OK)
        return code;
    if (!word_cache_init(&self->cache, self->table.id_limit, run))
        return error_set(error, ERROR_MEMORY, "no memory for a cache of words");
    self->largest = fabs(self->table.unknown_score);
    for (uint32_t id = 0; id < self->table.id_limit; id++) {
        double magnitude = fabs(self->table.scores[id]);
        self->largest = magnitude > self->largest ? magnitude : self->largest;
    }
    return OK;
}

/* ---- ids ---- */

struct writer {
    const struct unigram_table *table;
    const unsigned char *text;
    uint32_t *ids;
    struct token_span *spans; /* or NULL */
    size_t count;
    /* Hugging Face: unknown characters that are still to be written; empty: none */
    size_t run_begin, run_end;
};

static void put_id(struct writer *writer, uint32_t id, size_t begin, size_t end)
{
    writer->ids[writer->count] = id;
    if (writer->spans)
        writer->spans[writer->count] =
            (struct token_span){.begin = (uint32_t)begin, .end = (uint32_t)end};
    writer->count++;
}

/* Hugging Face: a run of unknown characters is one piece; a token, its bytes, or unknown. */
static void flush_run(struct writer *writer)
{
    const struct unigram_table *table = writer->table;
    size_t begin = writer->run_begin, end = writer->run_end;
    bool has_bytes = table->byte_fallback;
    if (begin == end)
        return;
    writer->run_begin = writer->run_end = 0;
    uint32_t id = piece_trie_find(&table->trie, writer->text + begin, end - begin);
    for (size_t i = begin; has_bytes && i < end; i++)
        has_bytes = table->byte_ids[writer->text[i]] != UINT32_MAX;
    if (id != TRIE_NONE || !has_bytes) {
        put_id(writer, id != TRIE_NONE ? id : table->unknown, begin, end);
        return;
    }
    for (size_t i = begin; i < end; i++)
        put_id(writer, table->byte_ids[writer->text[i]], begin, end);
}

/* SentencePiece: a character's bytes, the last of which has all of it; or one id for
 * neighbouring unknown characters. */
static void put_unknown(struct writer *writer, size_t begin, size_t end)
{
    const struct unigram_table *table = writer->table;
    bool has_run = writer->run_begin < writer->run_end;
    if (!table->is_float) {
        writer->run_begin = has_run ? writer->run_begin : begin;
        writer->run_end = end;
    } else if (table->byte_fallback) {
        for (size_t i = begin; i < end; i++)
            put_id(writer, table->byte_ids[writer->text[i]], begin,
                   i + 1 == end ? end : begin);
    } else if (writer->count == 0 || writer->ids[writer->count - 1] != table->unknown) {
        put_id(writer, table->unknown, begin, end);
    } else if (writer->spans) {
        writer->spans[writer->count - 1].end = (uint32_t)end;
    }
}

/* ---- words that have to be searched ---- */

struct search_room {
    struct path_node *nodes;
    double *seconds;
};

static bool room_for(struct unigram_state *self, size_t size, struct arena *scratch,
                     struct search_room *room)
{
    *room = (struct search_room){.nodes = self->nodes, .seconds = self->seconds};
    if (size <= SHORT_WORD)
        return true;
    room->nodes = ARENA_RAW(scratch, struct path_node, size + 1);
    room->seconds = ARENA_RAW(scratch, double, size + 1);
    return size < UINT32_MAX / 2 && room->nodes && room->seconds;
}

/* Turn the way round: node.start of each place becomes the end of the piece from there. */
static void turn_way(struct path_node *nodes, size_t size)
{
    uint32_t end = (uint32_t)size, id = nodes[size].id;
    uint32_t at = nodes[size].start;
    for (;;) {
        struct path_node *node = &nodes[at];
        uint32_t before = node->start, before_id = node->id;
        node->start = end;
        node->id = id;
        if (at == 0)
            return;
        end = at;
        id = before_id;
        at = before;
    }
}

/* The score of a piece of a way: the unknown id can be a token of Hugging Face's, too. */
static double piece_score(const struct unigram_table *table, uint32_t id,
                          const unsigned char *piece, size_t size)
{
    if (id == table->unknown && !table->is_float &&
        piece_trie_find(&table->trie, piece, size) != id)
        return table->unknown_score;
    return table->scores[id];
}

/* A word on its way to the ids. */
struct word {
    size_t begin, size;
    const struct word_key *key; /* NULL: not to be remembered */
    size_t slot;
};

/* Remember the way from 0 through a word, which holds up to `limit`: never another one.
 * Unknown ids can be kept where they stand for themselves in the output. */
static void remember_way(struct unigram_state *self, const struct word *word,
                         const unsigned char *text, const struct path_node *nodes,
                         uint32_t limit)
{
    const struct unigram_table *table = &self->table;
    bool keeps_unknown = table->is_float && !table->byte_fallback;
    uint32_t ids[WORD_LARGE_IDS], note = limit;
    size_t first = WORD_LARGE_IDS;
    for (size_t end = word->size; end > 0; end = nodes[end].start) {
        bool is_unknown = nodes[end].id == table->unknown;
        if (first == 0 || (is_unknown && !keeps_unknown))
            return;
        note |= is_unknown ? NOTE_UNKNOWN : 0;
        ids[--first] = nodes[end].id;
    }
    word_cache_put(&self->cache, *word->key, word->slot, text, word->size, ids + first,
                   WORD_LARGE_IDS - first, note);
}

/* Write the way through a word. */
static void write_way(struct writer *writer, const struct word *word,
                      struct path_node *nodes, double *base)
{
    const struct unigram_table *table = writer->table;
    const unsigned char *text = writer->text + word->begin;
    turn_way(nodes, word->size);
    for (size_t at = 0; at < word->size; at = nodes[at].start) {
        uint32_t id = nodes[at].id;
        size_t end = nodes[at].start;
        *base =
            unigram_path_add(table, *base, piece_score(table, id, text + at, end - at));
        if (id == table->unknown) {
            put_unknown(writer, word->begin + at, word->begin + end);
        } else {
            flush_run(writer);
            put_id(writer, id, word->begin + at, word->begin + end);
        }
    }
}

/* Does what is remembered hold behind this sum? Hugging Face's sums from 0 are what was
 * remembered. */
static inline bool limit_holds(const struct unigram_table *table, uint32_t limit,
                               double base)
{
    return unigram_limit_holds(limit & LIMIT_BITS, base) ||
           (base == 0 && !table->is_float);
}

/* A word that is not known, or not for sure. */
static enum error_code search_word(struct unigram_state *self, struct writer *writer,
                                   const struct word *word, double *base,
                                   struct arena *scratch, struct error *error)
{
    const struct unigram_table *table = &self->table;
    const unsigned char *text = writer->text + word->begin;
    struct search_room room;
    uint32_t limit = 0;
    bool is_found = true, holds = false;
    if (!room_for(self, word->size, scratch, &room))
        return error_set(error, ERROR_MEMORY, "no memory for a word of %zu bytes",
                         word->size);
    if (word->key && word->size <= WORD_LARGE_MAX) {
        is_found = unigram_path_find_limit(table, text, word->size, room.nodes,
                                           room.seconds, &limit);
        holds = limit_holds(table, limit, *base);
        if (is_found)
            remember_way(self, word, text, room.nodes, limit);
    }
    if (is_found && !holds)
        is_found = unigram_path_find(table, text, word->size, *base, room.nodes);
    if (!is_found)
        return error_set(error, ERROR_RECORD,
                         "a character is in no token, and there is no unknown token");
    write_way(writer, word, room.nodes, base);
    return OK;
}

/* ---- Hugging Face: word by word ---- */

/* The ids of a remembered word, and their sum. */
static inline void add_known(struct writer *writer, const uint32_t *ids, size_t count,
                             double *base)
{
    const struct unigram_table *table = writer->table;
    const bool is_float = table->is_float;
    const uint32_t unknown = table->unknown;
    double sum = *base;
    size_t written = writer->count;
    for (size_t i = 0; i < count; i++) {
        uint32_t id = ids[i];
        sum += table->scores[id];
        sum = is_float ? (double)(float)sum : sum;
        writer->ids[written] = id;
        written += id != unknown || written == 0 || writer->ids[written - 1] != unknown;
    }
    writer->count = written;
    *base = sum;
}

static enum error_code encode_slowly(struct unigram_state *self, struct writer *writer,
                                     size_t begin, size_t i, double *base,
                                     struct arena *scratch, struct error *error)
{
    struct word word = {.begin = begin,
                        .size = self->batch.words[i].end - begin,
                        .key = &self->batch.words[i].key,
                        .slot = self->batch.words[i].slot};
    uint32_t known[WORD_LARGE_IDS];
    struct word_found found = word_cache_find_slowly(
        &self->cache, *word.key, word.slot, writer->text + begin, word.size, known);
    if (found.count > 0 && limit_holds(&self->table, found.limit, *base)) {
        flush_run(writer);
        add_known(writer, known, found.count, base);
        return OK;
    }
    if (found.count > 0)
        word.key = NULL;
    return search_word(self, writer, &word, base, scratch, error);
}

static enum error_code encode_batch(struct unigram_state *self, struct writer *writer,
                                    size_t begin, size_t words, double *base,
                                    struct arena *scratch, struct error *error)
{
    for (size_t i = 0; i < words; i++) {
        struct word_key key = self->batch.words[i].key;
        const struct word_slot *slot =
            key.high != 0 ? word_cache_find(&self->cache, key, self->batch.words[i].slot)
                          : NULL;
        struct word_found found = {.count = WORD_IN_LARGE};
        uint32_t known[WORD_SLACK];
        if (slot)
            found = word_slot_get(&self->cache, slot, known);
        if (UNLIKELY(found.count == WORD_IN_LARGE ||
                     !limit_holds(&self->table, found.limit, *base) ||
                     writer->run_begin < writer->run_end)) {
            enum error_code code =
                encode_slowly(self, writer, begin, i, base, scratch, error);
            if (code != OK)
                return code;
        } else {
            add_known(writer, known, found.count, base);
        }
        begin = self->batch.words[i].end;
    }
    return OK;
}

/* ---- SentencePiece: what is known is copied, and added up when it has to be ---- */

/* The sum in front of an id is exact for the first `summed` of the output's; of the batch
 * in work for its first `words` words. */
struct sums {
    double base;
    size_t summed, words;
};

/* The least limit that holds wherever the magnitude of the base is at most `bound`. */
static uint32_t needed_limit(double bound)
{
    int exponent;
    (void)frexp(bound, &exponent); /* bound < 2^exponent */
    int needed = exponent + UNIGRAM_LIMIT_BIAS;
    return needed < 1 ? 1 : needed > LIMIT_BITS ? LIMIT_NONE : (uint32_t)needed;
}

static void add_sums(const struct unigram_state *self, const uint32_t *ids, size_t count,
                     struct sums *sums)
{
    const double *scores = self->table.scores;
    double sum = sums->base;
    for (size_t i = 0; i < count; i++)
        sum = (double)(float)(sum + scores[ids[i]]);
    sums->base = sum;
}

/* The exact sum in front of word `word` of the batch. */
static void sum_to_word(const struct unigram_state *self, const struct writer *writer,
                        size_t word, struct sums *sums)
{
    add_sums(self, writer->ids + sums->summed, writer->count - sums->summed, sums);
    sums->summed = writer->count;
    for (; sums->words < word; sums->words++)
        add_sums(self, writer->ids + self->starts[sums->words], self->counts[sums->words],
                 sums);
}

/* Write the ids of the way without adding them up. False: an unknown character's bytes
 * stand for it. */
static bool copy_way(const struct unigram_table *table, const struct path_node *nodes,
                     size_t size, uint32_t *ids, size_t *count)
{
    size_t pieces = 0, at = 0;
    for (size_t end = size; end > 0; end = nodes[end].start) {
        if (table->byte_fallback && nodes[end].id == table->unknown)
            return false;
        pieces++;
    }
    *count = at = pieces;
    for (size_t end = size; end > 0; end = nodes[end].start)
        ids[--at] = nodes[end].id;
    return true;
}

/* A word that is not known, or not for sure, by search. */
static enum error_code search_missed(struct unigram_state *self,
                                     const struct writer *writer,
                                     const struct missed_word *missed, bool is_known,
                                     uint32_t needed, uint32_t *notes, struct sums *sums,
                                     struct arena *scratch, struct error *error)
{
    const struct unigram_table *table = &self->table;
    const struct pending_word *pending = &self->batch.words[missed->word];
    struct word word = {.begin = word_batch_begin(&self->batch, missed->word),
                        .key = &pending->key,
                        .slot = pending->slot};
    word.size = pending->end - word.begin;
    const unsigned char *text = writer->text + word.begin;
    struct search_room room;
    size_t *count = &self->counts[missed->word];
    if (!room_for(self, word.size, scratch, &room))
        return error_set(error, ERROR_MEMORY, "no memory for a word of %zu bytes",
                         word.size);
    *notes |= NOTE_UNKNOWN; /* perhaps */
    if (!is_known && word.size <= WORD_LARGE_MAX) {
        uint32_t limit;
        (void)unigram_path_find_limit(table, text, word.size, room.nodes, room.seconds,
                                      &limit);
        remember_way(self, &word, text, room.nodes, limit);
        if (limit >= needed && copy_way(table, room.nodes, word.size, missed->ids, count))
            return OK;
    }
    sum_to_word(self, writer, missed->word, sums);
    struct writer own = {.table = table, .text = writer->text, .ids = missed->ids};
    (void)unigram_path_find(table, text, word.size, sums->base, room.nodes);
    if (copy_way(table, room.nodes, word.size, missed->ids, count))
        return OK;
    write_way(&own, &word, room.nodes, &sums->base);
    *count = own.count;
    sums->words++;
    return OK;
}

static enum error_code encode_missed(struct unigram_state *self,
                                     const struct writer *writer, size_t count,
                                     uint32_t needed, uint32_t *notes, struct sums *sums,
                                     struct arena *scratch, struct error *error)
{
    enum error_code code = OK;
    for (size_t i = 0; code == OK && i < count; i++) {
        const struct missed_word *missed = &self->missed[i];
        const struct pending_word *pending = &self->batch.words[missed->word];
        size_t begin = word_batch_begin(&self->batch, missed->word);
        uint32_t known[WORD_LARGE_IDS]; /* there may not be room for all of them */
        struct word_found found =
            word_cache_find_slowly(&self->cache, pending->key, pending->slot,
                                   writer->text + begin, pending->end - begin, known);
        if (found.count > 0 && (found.limit & LIMIT_BITS) < needed) {
            sum_to_word(self, writer, missed->word, sums);
            if (unigram_limit_holds(found.limit & LIMIT_BITS, sums->base))
                found.limit |= LIMIT_BITS;
        }
        if (found.count > 0 && (found.limit & LIMIT_BITS) >= needed) {
            memcpy(missed->ids, known, found.count * sizeof *known);
            self->counts[missed->word] = found.count;
            *notes |= found.limit;
            continue;
        }
        code = search_missed(self, writer, missed, found.count > 0, needed, notes, sums,
                             scratch, error);
    }
    return code;
}

/* Close the gaps behind the ids of missed words. Returns the end. */
static uint32_t *close_gaps(const struct unigram_state *self, size_t count,
                            const uint32_t *end)
{
    const struct missed_word *missed = self->missed;
    uint32_t *out = missed[0].ids;
    for (size_t i = 0; i < count; i++) {
        size_t word = missed[i].word;
        const uint32_t *rest = missed[i].ids + self->batch.words[word].end -
                               word_batch_begin(&self->batch, word);
        const uint32_t *next = i + 1 < count ? missed[i + 1].ids : end;
        memmove(out, missed[i].ids, self->counts[word] * sizeof *out);
        out += self->counts[word];
        memmove(out, rest, (size_t)(next - rest) * sizeof *out);
        out += next - rest;
    }
    return out;
}

/* Neighbouring unknown ids from `first` on become one. */
static void join_unknown(struct writer *writer, size_t first)
{
    uint32_t unknown = writer->table->unknown, *ids = writer->ids;
    size_t kept = first;
    for (size_t i = first; i < writer->count; i++) {
        ids[kept] = ids[i];
        kept += ids[i] != unknown || kept == 0 || ids[kept - 1] != unknown;
    }
    writer->count = kept;
}

static enum error_code encode_float_batch(struct unigram_state *self,
                                          struct writer *writer, size_t words,
                                          struct sums *sums, struct arena *scratch,
                                          struct error *error)
{
    const struct word_batch *batch = &self->batch;
    const size_t first = writer->count;
    const double more = (double)(first - sums->summed + batch->next - batch->begin);
    const uint32_t needed = needed_limit(fabs(sums->base) + more * self->largest);
    uint32_t *out = writer->ids + first, notes = 0;
    size_t missed = 0;
    for (size_t i = 0; i < words; i++) {
        const struct pending_word *pending = &batch->words[i];
        const struct word_slot *slot =
            LIKELY(pending->key.high != 0)
                ? word_cache_find(&self->cache, pending->key, pending->slot)
                : NULL;
        struct word_found found = {.count = WORD_IN_LARGE};
        if (LIKELY(slot))
            found = word_slot_get(&self->cache, slot, out);
        self->starts[i] = (size_t)(out - writer->ids);
        self->counts[i] = found.count;
        if (LIKELY(found.count != WORD_IN_LARGE &&
                   (found.limit & LIMIT_BITS) >= needed)) {
            out += found.count;
            notes |= found.limit;
            continue;
        }
        self->missed[missed++] = (struct missed_word){.word = (uint32_t)i, .ids = out};
        out += pending->end - word_batch_begin(batch, i);
    }
    sums->words = 0;
    if (missed > 0) {
        enum error_code code =
            encode_missed(self, writer, missed, needed, &notes, sums, scratch, error);
        if (code != OK)
            return code;
    }
    bool has_unknown = notes & NOTE_UNKNOWN && !self->table.byte_fallback;
    if (sums->words > 0 || has_unknown)
        sum_to_word(self, writer, words, sums);
    if (missed > 0)
        out = close_gaps(self, missed, out);
    writer->count = (size_t)(out - writer->ids);
    if (has_unknown)
        join_unknown(writer, first);
    if (sums->words > 0)
        sums->summed = writer->count;
    return OK;
}

static enum error_code encode_words(struct unigram_state *self, struct writer *writer,
                                    size_t size, double *base, struct arena *scratch,
                                    struct error *error)
{
    struct sums sums = {.base = *base};
    enum error_code code = OK;
    word_batch_open(&self->batch, writer->text, size);
    while (code == OK) {
        size_t words = word_batch_fill(&self->table.cut, &self->cache, &self->batch);
        if (words == 0)
            break;
        if (self->table.is_float)
            code = encode_float_batch(self, writer, words, &sums, scratch, error);
        else
            code = encode_batch(self, writer, self->batch.begin, words, base, scratch,
                                error);
    }
    return code;
}

/* With spans every word is searched: the cache does not know them. */
static enum error_code encode_spans(struct unigram_state *self, struct writer *writer,
                                    size_t size, double *base, struct arena *scratch,
                                    struct error *error)
{
    struct word_cursor cursor = {.text = writer->text, .size = size};
    while (cursor.at < size) {
        struct word word = {.begin = cursor.at};
        word.size = word_cut_next(&self->table.cut, &cursor) - word.begin;
        enum error_code code = search_word(self, writer, &word, base, scratch, error);
        if (code != OK)
            return code;
    }
    return OK;
}

static enum error_code encode(void *state, const unsigned char *text, size_t size,
                              struct arena *scratch, uint32_t *ids,
                              struct token_span *spans, size_t *count,
                              struct error *error)
{
    struct unigram_state *self = state;
    struct writer writer = {
        .table = &self->table, .text = text, .ids = ids, .spans = spans};
    double base = 0;
    enum error_code code = spans
                               ? encode_spans(self, &writer, size, &base, scratch, error)
                               : encode_words(self, &writer, size, &base, scratch, error);
    flush_run(&writer);
    *count = writer.count;
    return code;
}

const struct model_type model_unigram = {
    .name = "unigram",
    .state_size = sizeof(struct unigram_state),
    .build = unigram_table_build,
    .open = open_model,
    .encode = encode,
    .ids_per_byte = 1,
    .ids_extra = WORD_SLACK,
};
