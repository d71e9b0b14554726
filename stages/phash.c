/* phash.c - stage: a hash of what a picture looks like, to find near-duplicates */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/image_stage.h"
#include "stages/kernels/perceptual_hash.h"
#include "stages/kernels/resample.h"

enum { BAND = 16 };

struct options {
    struct image_common common;
    bool draft;
};

struct state {
    struct image_rules rules;
    struct bytes room; /* owned: a band of rows, and one of luma */
    int64_t *hashes;   /* of the batch, in its arena */
};

static const struct option_spec option_table[] = {
    IMAGE_COMMON_OPTIONS,
    {.name = "draft",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, draft),
     .initial = "false",
     .help =
         "Decode JPEGs at a half, a quarter or an eighth where that is enough: faster, "
         "but some bits differ from those of imagehash"},
    OPTION_END};

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    enum error_code code =
        image_stage_plan(&options->common, schema, place, "phash", error);
    return code == OK ? schema_put(schema, "phash", COLUMN_I64, 0, error) : code;
}

static enum error_code open_phash(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    (void)error;
    state->rules = image_stage_rules(&options->common);
    return OK;
}

/* All rows of the picture as luma through the resampler, to `small` (32, 32). */
static enum error_code shrink(struct state *state, struct picture_source *source,
                              struct resampler *resampler, unsigned char *small,
                              struct image_fault *fault)
{
    uint32_t width = source->shape.width, got = 1, done = 0;
    size_t row = (size_t)width * 3;
    unsigned char *band = bytes_reserve(&state->room, row * BAND + width);
    if (!band)
        return ERROR_MEMORY;
    unsigned char *luma = band + row * BAND;
    while (got > 0) {
        enum error_code code = picture_source_rows(source, band, BAND, &got, fault);
        if (code != OK)
            return code;
        for (uint32_t y = 0; y < got; y++) {
            picture_to_luma(band + y * row, width, luma);
            resampler_push(resampler, luma);
            while (resampler_pull(resampler, small + (size_t)done * PERCEPTUAL_SIDE))
                done++;
        }
    }
    return picture_source_finish(source, fault);
}

static enum error_code hash_picture(struct stage *self, const struct column *column,
                                    uint32_t row, struct image_fault *fault)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    struct picture_source source;
    enum { SIDE = PERCEPTUAL_SIDE };
    unsigned char small[SIDE * SIDE] = {0}, upright[SIDE * SIDE];
    uint32_t least = options->draft ? 4 * SIDE : 0;
    enum error_code code =
        picture_source_open(column, row, &state->rules, least, least, &source, fault);
    if (code != OK)
        return code;
    struct resampler *resampler = resampler_create(
        source.shape.width, source.shape.height, SIDE, SIDE, 1, RESAMPLE_LANCZOS);
    bytes_reset(&state->room);
    code = resampler ? shrink(state, &source, resampler, small, fault) : ERROR_MEMORY;
    if (code == OK) {
        picture_orient_rows(small, SIDE, 0, SIDE, SIDE, SIDE, 1, source.shape.orientation,
                            upright);
        uint64_t hash = perceptual_hash(upright);
        memcpy(&state->hashes[row], &hash, sizeof hash);
    }
    resampler_destroy(resampler);
    picture_source_close(&source);
    return code;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    state->hashes = ARENA_NEW(stage_output_arena(output), int64_t, in->count);
    if (!state->hashes)
        return error_set(error, ERROR_MEMORY, "no memory for hashes");
    enum error_code code =
        image_stage_visit(self, in, output, &options->common, hash_picture, error);
    if (code != OK)
        return code;
    struct column made = {.name = "phash", .type = COLUMN_I64, .data = state->hashes};
    return stage_output_set(output, &made, error);
}

static void close_phash(struct stage *self)
{
    struct state *state = self->state;
    bytes_clear(&state->room);
}

const struct stage_type stage_phash = {
    .name = "phash",
    .summary = "Hash what a picture looks like, to find near-duplicates",
    .description =
        "Adds phash (i64), the 64 bits of imagehash's phash: the upright picture as "
        "luma, "
        "brought to 32 by 32 pixels with Lanczos, its cosine transform, and for each of "
        "the "
        "8 by 8 lowest frequencies whether it is above their median, the first in the "
        "highest bit. Pictures that look alike differ in few bits: up to about 8 for "
        "other "
        "sizes, qualities and slight changes of one picture. Exact equals come together "
        "through an exchange by hash(phash). As imagehash writes it, it is the number in "
        "16 "
        "hex digits, a negative one as its two's complement. A picture that cannot be "
        "decoded is quarantined with its reason.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = (const struct stage_column[]){{"data", COLUMN_BYTES, true},
                                             {"phash", COLUMN_I64, false},
                                             {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_phash,
    .process = process,
    .close = close_phash};
