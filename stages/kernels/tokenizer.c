/* tokenizer.c - any tokenizer: text to ids, over one prepared memory image */
#include "stages/kernels/tokenizer.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/compiler.h"
#include "core/unicode.h"
#include "stages/kernels/bert_encoder.h"
#include "stages/kernels/model_bpe.h"
#include "stages/kernels/normalizer.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/tokenizer_parts.h"

enum { STATE_ALIGN = 64, ROOM_FIRST = 64 };

/* ---- open ---- */

struct section {
    const unsigned char *data;
    size_t size;
};

struct head {
    uint32_t words[TOKENIZER_WORDS];
    struct section sections[TOKENIZER_SECTIONS];
};

static enum error_code damaged(struct error *error)
{
    return error_set(error, ERROR_DAMAGED, "not a prepared tokenizer");
}

static bool read_head(const unsigned char *image, size_t size, struct head *head)
{
    uint64_t magic = 0;
    if (image && size >= TOKENIZER_HEAD)
        memcpy(&magic, image, sizeof magic);
    if (magic != TOKENIZER_MAGIC)
        return false;
    for (size_t i = 0; i < TOKENIZER_WORDS; i++)
        head->words[i] = load_u32(image + 8 + 4 * i);
    for (size_t i = 0; i < TOKENIZER_SECTIONS; i++) {
        const unsigned char *at = image + 8 + (size_t)4 * TOKENIZER_WORDS + 16 * i;
        uint64_t offset = load_u64(at), length = load_u64(at + 8);
        if (offset % TOKENIZER_ALIGN != 0 || offset > size || length > size - offset)
            return false;
        head->sections[i] = (struct section){image + offset, (size_t)length};
    }
    return true;
}

static bool read_tables(struct tokenizer *tokenizer, const struct head *head)
{
    const struct section *sections = head->sections;
    const void *template_ids = sections[TOKENIZER_TEMPLATE].data;
    const void *starts = sections[TOKENIZER_STARTS].data;
    uint64_t around = (uint64_t)head->words[WORD_BEFORE] + head->words[WORD_BEHIND];
    uint64_t limit = head->words[WORD_ID_LIMIT];
    tokenizer->direct = (enum direct_way)head->words[WORD_DIRECT];
    tokenizer->growth = head->words[WORD_GROWTH];
    tokenizer->before = head->words[WORD_BEFORE];
    tokenizer->behind = head->words[WORD_BEHIND];
    tokenizer->template_ids = template_ids;
    tokenizer->decoder = (enum decoder_kind)head->words[WORD_DECODER];
    tokenizer->flags = head->words[WORD_FLAGS];
    tokenizer->id_limit = head->words[WORD_ID_LIMIT];
    tokenizer->prefix_size = head->words[WORD_PREFIX];
    tokenizer->starts = starts;
    tokenizer->texts = sections[TOKENIZER_TEXTS].data;
    tokenizer->kinds = sections[TOKENIZER_KINDS].data;
    if (sections[TOKENIZER_TEMPLATE].size != 4 * around ||
        sections[TOKENIZER_STARTS].size != 4 * (limit + 1) ||
        sections[TOKENIZER_KINDS].size != limit || tokenizer->growth == 0 ||
        tokenizer->growth > 8 || head->words[WORD_PATTERN] >= SPLIT_PATTERN_COUNT)
        return false;
    for (uint64_t id = 0; id < limit; id++) {
        if (tokenizer->starts[id] > tokenizer->starts[id + 1])
            return false;
    }
    return tokenizer->starts[limit] == sections[TOKENIZER_TEXTS].size;
}

static enum error_code open_machines(struct tokenizer *tokenizer, const struct head *head,
                                     struct arena *run, struct error *error)
{
    const struct section *sections = head->sections;
    const struct section *model = &sections[TOKENIZER_MODEL];
    const struct section *normalizer = &sections[TOKENIZER_NORMALIZER];
    const struct section *splitter = &sections[TOKENIZER_SPLITTER];
    const struct section *bert = &sections[TOKENIZER_BERT];
    tokenizer->type = tokenizer_model_type((enum model_kind)head->words[WORD_MODEL_KIND]);
    if (!tokenizer->type)
        return damaged(error);
    tokenizer->model = arena_alloc(run, 1, tokenizer->type->state_size, STATE_ALIGN);
    if (!tokenizer->model)
        return error_set(error, ERROR_MEMORY, "no memory for a tokenizer");
    enum error_code code =
        tokenizer->type->open(tokenizer->model, model->data, model->size, run, error);
    if (code == OK && normalizer->size > 0)
        code = normalizer_open(normalizer->data, normalizer->size, run,
                               &tokenizer->normalizer, error);
    if (code == OK && splitter->size > 0)
        code = splitter_open(splitter->data, splitter->size, run, &tokenizer->splitter,
                             error);
    if (code == OK && tokenizer->direct == DIRECT_BERT)
        code = bert_encoder_open(bert->data, bert->size, run, &tokenizer->bert, error);
    return code;
}

static enum error_code open_direct(struct tokenizer *tokenizer, const struct head *head,
                                   struct error *error)
{
    bool is_made = false;
    if (tokenizer->direct != DIRECT_SPLIT)
        return OK;
    if (tokenizer->type != &model_bpe_ranks && tokenizer->type != &model_bpe_merges)
        return damaged(error);
    enum error_code code = model_bpe_make_direct(
        tokenizer->model, (enum split_pattern)head->words[WORD_PATTERN], &is_made, error);
    if (!is_made)
        tokenizer->direct = DIRECT_NONE;
    return code;
}

enum error_code tokenizer_open(const void *image, size_t size, struct arena *run,
                               struct tokenizer **tokenizer, struct error *error)
{
    struct head head;
    struct tokenizer *made = ARENA_NEW(run, struct tokenizer, 1);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a tokenizer");
    if (!read_head(image, size, &head) || !read_tables(made, &head))
        return damaged(error);
    const struct section *raw = &head.sections[TOKENIZER_ADDED_RAW];
    const struct section *normalized = &head.sections[TOKENIZER_ADDED_NORMALIZED];
    enum error_code code = added_tokens_open(raw->data, raw->size, &made->raw, error);
    if (code == OK)
        code = added_tokens_open(normalized->data, normalized->size, &made->normalized,
                                 error);
    if (code == OK)
        code = open_machines(made, &head, run, error);
    if (code == OK)
        code = open_direct(made, &head, error);
    if (code == OK)
        *tokenizer = made;
    return code;
}

/* ---- where ids go ---- */

struct sink {
    uint32_t *ids;
    struct token_span *spans; /* NULL: not asked for */
    size_t count, capacity;
    bool has_spans, is_fixed; /* is_fixed: the room was made by the caller */
    struct arena *arena;
};

static enum error_code no_room(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory for the tokens of a text");
}

/* Room for so many more. */
static enum error_code reserve(struct sink *sink, size_t more, struct error *error)
{
    if (sink->is_fixed || more <= sink->capacity - sink->count)
        return OK;
    size_t wanted = sink->count + more;
    if (wanted < more || wanted > SIZE_MAX / 32)
        return no_room(error);
    if (sink->count > 0 && wanted < 2 * sink->capacity)
        wanted = 2 * sink->capacity;
    uint32_t *ids = ARENA_RAW(sink->arena, uint32_t, wanted);
    struct token_span *spans =
        sink->has_spans ? ARENA_RAW(sink->arena, struct token_span, wanted) : NULL;
    if (!ids || (sink->has_spans && !spans))
        return no_room(error);
    if (sink->count > 0) {
        memcpy(ids, sink->ids, sink->count * sizeof *ids);
        if (spans)
            memcpy(spans, sink->spans, sink->count * sizeof *spans);
    }
    sink->ids = ids;
    sink->spans = spans;
    sink->capacity = wanted;
    return OK;
}

static enum error_code put_id(struct sink *sink, uint32_t id, size_t begin, size_t end,
                              struct error *error)
{
    enum error_code code = reserve(sink, 1, error);
    if (code != OK)
        return code;
    if (sink->spans)
        sink->spans[sink->count] = (struct token_span){(uint32_t)begin, (uint32_t)end};
    sink->ids[sink->count++] = id;
    return OK;
}

/* ---- encode ---- */

struct job { /* one text on its way */
    struct tokenizer *tokenizer;
    const unsigned char *text;
    size_t size;
    const struct encode_options *options;
    struct arena *scratch;
    struct sink sink;
};

/* A part of the text as normalizers have left it. */
struct part {
    const unsigned char *text;
    size_t size;
    size_t base;             /* where it begins in the job's text */
    const uint32_t *origins; /* from there, or NULL: byte by byte */
    bool is_first;           /* it begins the document */
};

static size_t origin_of(const struct part *part, size_t at)
{
    return part->base + (part->origins ? part->origins[at] : at);
}

static size_t direct_slack(const struct tokenizer *tokenizer)
{
    return tokenizer->direct == DIRECT_BERT ? (size_t)BERT_ENCODER_SLACK
                                            : (size_t)TEXT_ENCODER_SLACK;
}

/* Where the character ends that the byte of the job's text belongs to. */
static size_t character_end(const struct job *job, size_t at)
{
    uint32_t ignored;
    size_t begin = at;
    if (at >= job->size)
        return job->size;
    while (begin > 0 && at - begin < 3 && (job->text[begin] & 0xC0) == 0x80)
        begin--;
    size_t length = unicode_decode(job->text + begin, job->size - begin, &ignored);
    return begin + length > at ? begin + length : at + 1;
}

/* Spans of the tokens from `first` on, counted in text that comes from the part as
 * `origins` says (NULL: it is the part), become those of the job's text. They end with the
 * character that their last byte comes from; of a character that is several tokens each has
 * its part. */
static void place_spans(struct job *job, const struct part *part, const uint32_t *origins,
                        size_t first)
{
    bool is_reaching = job->tokenizer->flags & FLAG_REACHING;
    for (size_t i = first; i < job->sink.count; i++) {
        struct token_span *span = job->sink.spans + i;
        size_t begin = origin_of(part, origins ? origins[span->begin] : span->begin);
        size_t end = origin_of(part, origins ? origins[span->end] : span->end);
        if (!is_reaching && span->end > span->begin) {
            size_t at = span->end - 1;
            size_t last = origin_of(part, origins ? origins[at] : at);
            size_t most = character_end(job, last);
            end = end > last && end < most ? end : most;
        }
        *span = (struct token_span){(uint32_t)begin, (uint32_t)end};
    }
}

static enum error_code encode_piece(struct job *job, const unsigned char *text,
                                    size_t begin, size_t end, struct error *error)
{
    const struct model_type *type = job->tokenizer->type;
    struct sink *sink = &job->sink;
    size_t written = 0, first = sink->count;
    enum error_code code =
        reserve(sink, (end - begin) * type->ids_per_byte + type->ids_extra, error);
    if (code != OK)
        return code;
    struct token_span *spans = sink->spans ? sink->spans + first : NULL;
    code = type->encode(job->tokenizer->model, text + begin, end - begin, job->scratch,
                        sink->ids + first, spans, &written, error);
    if (code != OK)
        return code;
    for (size_t i = 0; spans && i < written; i++) {
        spans[i].begin += (uint32_t)begin;
        spans[i].end += (uint32_t)begin;
    }
    sink->count += written;
    return OK;
}

/* Through splitters and model. */
static enum error_code encode_pieces(struct job *job, const struct part *part,
                                     struct error *error)
{
    struct tokenizer *tokenizer = job->tokenizer;
    struct piece whole = {0, (uint32_t)part->size};
    struct pieces pieces = {
        .text = part->text, .size = part->size, .items = &whole, .count = 1};
    size_t first = job->sink.count;
    enum error_code code = OK;
    if (tokenizer->splitter)
        code = splitter_run(tokenizer->splitter, part->text, part->size, part->is_first,
                            job->sink.has_spans, job->scratch, &pieces, error);
    for (size_t i = 0; code == OK && i < pieces.count; i++)
        code = encode_piece(job, pieces.text, pieces.items[i].begin, pieces.items[i].end,
                            error);
    if (code == OK && job->sink.spans)
        place_spans(job, part, pieces.origins, first);
    return code;
}

/* By the machine that takes whole texts. */
static enum error_code encode_directly(struct job *job, const struct part *part,
                                       struct error *error)
{
    struct tokenizer *tokenizer = job->tokenizer;
    struct sink *sink = &job->sink;
    size_t first = sink->count, written = 0;
    enum error_code code = reserve(sink, part->size + direct_slack(tokenizer), error);
    if (code != OK)
        return code;
    if (tokenizer->direct == DIRECT_BERT)
        code = bert_encoder_run(tokenizer->bert, part->text, part->size, job->scratch,
                                sink->ids + first, &written, error);
    else
        code = model_bpe_run_direct(
            tokenizer->model, part->text, part->size, job->scratch, sink->ids + first,
            sink->spans ? sink->spans + first : NULL, 0, &written, error);
    if (code != OK)
        return code;
    sink->count += written;
    if (sink->spans)
        place_spans(job, part, NULL, first);
    return OK;
}

static enum error_code encode_part(struct job *job, const struct part *part,
                                   struct error *error)
{
    if (part->size == 0)
        return OK;
    return job->tokenizer->direct == DIRECT_SPLIT ? encode_directly(job, part, error)
                                                  : encode_pieces(job, part, error);
}

static enum error_code refuse(const struct job *job, size_t begin, size_t end,
                              struct error *error)
{
    enum { SHOWN = 100 };
    size_t size = end - begin < SHOWN ? end - begin : SHOWN;
    return error_set(error, ERROR_RECORD, "\"%.*s\" at byte %zu", (int)size,
                     (const char *)job->text + begin, begin);
}

/* The added tokens of a part, and what stands between them by `encode`. */
static enum error_code encode_between(
    struct job *job, const struct part *part, const struct added_tokens *tokens,
    enum error_code (*encode)(struct job *, const struct part *, struct error *),
    struct error *error)
{
    struct added_cursor cursor = {0};
    struct added_match match;
    enum error_code code = OK;
    size_t done = 0;
    if (job->options->specials == SPECIALS_AS_TEXT || tokens->token_count == 0)
        return encode(job, part, error);
    while (code == OK) {
        bool is_found =
            added_tokens_next(tokens, part->text, part->size, &cursor, &match);
        size_t end = is_found ? match.begin : part->size;
        struct part between = {.text = part->text + done,
                               .size = end > done ? end - done : 0,
                               .base = part->base,
                               .origins = part->origins ? part->origins + done : NULL,
                               .is_first = part->is_first && done == 0};
        if (!part->origins)
            between.base += done;
        if (between.size > 0)
            code = encode(job, &between, error);
        if (code != OK || !is_found)
            break;
        size_t from = origin_of(part, match.begin), to = origin_of(part, match.end);
        if (match.is_special && job->options->specials == SPECIALS_REFUSED)
            return refuse(job, from, to, error);
        code = put_id(&job->sink, match.id, from, to, error);
        done = match.end;
    }
    return code;
}

/* A part of the raw text, without the added tokens that match there. */
static enum error_code encode_raw(struct job *job, const struct part *part,
                                  struct error *error)
{
    struct tokenizer *tokenizer = job->tokenizer;
    if (tokenizer->direct == DIRECT_BERT && !job->sink.has_spans &&
        (tokenizer->normalized.token_count == 0 ||
         job->options->specials == SPECIALS_AS_TEXT))
        return encode_directly(job, part, error);
    struct part left = *part;
    if (tokenizer->normalizer && part->size > 0) {
        struct normalized normalized;
        /* A refused token is told by its place in the text, so that origins are needed. */
        bool with_origins =
            job->sink.has_spans || job->options->specials == SPECIALS_REFUSED;
        enum error_code code =
            normalizer_run(tokenizer->normalizer, part->text, part->size, part->is_first,
                           with_origins, job->scratch, &normalized, error);
        if (code != OK)
            return code;
        left.text = normalized.text;
        left.size = normalized.size;
        left.origins = normalized.origins;
    }
    return encode_between(job, &left, &tokenizer->normalized, encode_part, error);
}

/* Spaces at the ends of a token stand for themselves no more. */
static void trim_spans(const struct job *job)
{
    for (size_t i = 0; i < job->sink.count; i++) {
        struct token_span *span = job->sink.spans + i;
        while (span->begin < span->end && job->text[span->begin] == ' ')
            span->begin++;
        while (span->begin < span->end && job->text[span->end - 1] == ' ')
            span->end--;
    }
}

static enum error_code run_job(struct job *job, struct encoding *encoding,
                               struct error *error)
{
    struct tokenizer *tokenizer = job->tokenizer;
    struct sink *sink = &job->sink;
    const struct encode_options *options = job->options;
    uint32_t before = options->add_special ? tokenizer->before : 0;
    uint32_t behind = options->add_special ? tokenizer->behind : 0;
    struct part whole = {.text = job->text, .size = job->size, .is_first = true};
    enum error_code code = OK;
    if (job->size >= UINT32_MAX)
        return error_set(error, ERROR_RECORD, "the text has 4 GiB or more");
    for (uint32_t i = 0; code == OK && i < before; i++)
        code = put_id(sink, tokenizer->template_ids[i], 0, 0, error);
    if (code == OK && job->size > 0)
        code = encode_between(job, &whole, &tokenizer->raw, encode_raw, error);
    if (code != OK)
        return code;
    if (sink->spans && tokenizer->flags & FLAG_TRIMMED)
        trim_spans(job);
    if (options->max_length > 0) {
        uint64_t most = options->max_length > behind ? options->max_length - behind : 0;
        sink->count = sink->count < most ? sink->count : (size_t)most;
    }
    size_t end = sink->count;
    for (uint32_t i = 0; code == OK && i < behind; i++)
        code = put_id(sink, tokenizer->template_ids[tokenizer->before + i], 0, 0, error);
    *encoding = (struct encoding){.ids = sink->ids,
                                  .count = sink->count,
                                  .text_begin = before < end ? before : end,
                                  .text_end = end,
                                  .offsets = (const void *)sink->spans};
    return code;
}

enum error_code tokenizer_encode(struct tokenizer *tokenizer, const unsigned char *text,
                                 size_t size, const struct encode_options *options,
                                 struct arena *scratch, struct encoding *encoding,
                                 struct error *error)
{
    struct job job = {.tokenizer = tokenizer,
                      .text = text,
                      .size = size,
                      .options = options,
                      .scratch = scratch,
                      .sink = {.has_spans = options->with_offsets, .arena = scratch}};
    enum error_code code = reserve(&job.sink, ROOM_FIRST, error);
    return code == OK ? run_job(&job, encoding, error) : code;
}

size_t tokenizer_room(const struct tokenizer *tokenizer, size_t size, size_t count)
{
    size_t around = (size_t)tokenizer->before + tokenizer->behind;
    if (tokenizer->direct == DIRECT_NONE || size > SIZE_MAX / 64 ||
        count > SIZE_MAX / 64 / (around + 1) ||
        (tokenizer->direct == DIRECT_BERT && tokenizer->normalized.token_count > 0))
        return 0;
    return size * tokenizer->growth + count * around + direct_slack(tokenizer);
}

enum error_code tokenizer_encode_to(struct tokenizer *tokenizer,
                                    const unsigned char *text, size_t size,
                                    const struct encode_options *options,
                                    struct arena *scratch, uint32_t *ids,
                                    struct encoding *encoding, struct error *error)
{
    struct job job = {.tokenizer = tokenizer,
                      .text = text,
                      .size = size,
                      .options = options,
                      .scratch = scratch,
                      .sink = {.ids = ids, .is_fixed = true, .arena = scratch}};
    return run_job(&job, encoding, error);
}
