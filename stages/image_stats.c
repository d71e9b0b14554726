/* image_stats.c - stage: size, sharpness, brightness and contrast of pictures */
#include <stddef.h>
#include <string.h>

#include "core/arena.h"
#include "stages/image_stage.h"
#include "stages/kernels/picture_stats.h"

enum { WIDTH, HEIGHT, INTEGERS };
enum { SHARPNESS, BRIGHTNESS, CONTRAST, REALS };

struct options {
    struct image_common common;
};

struct state {
    struct image_rules rules;
    struct bytes room;           /* owned: a row, and three of luma */
    int64_t *integers[INTEGERS]; /* of the batch, in its arena */
    double *reals[REALS];
};

static const struct option_spec option_table[] = {IMAGE_COMMON_OPTIONS, OPTION_END};

static const char *const integer_names[INTEGERS] = {"width", "height"};
static const char *const real_names[REALS] = {"sharpness", "brightness", "contrast"};

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    enum error_code code =
        image_stage_plan(&options->common, schema, place, "image_stats", error);
    for (size_t i = 0; code == OK && i < INTEGERS; i++)
        code = schema_put(schema, integer_names[i], COLUMN_I64, 0, error);
    for (size_t i = 0; code == OK && i < REALS; i++)
        code = schema_put(schema, real_names[i], COLUMN_F64, 0, error);
    return code;
}

static enum error_code open_stats(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    (void)error;
    state->rules = image_stage_rules(&options->common);
    return OK;
}

/* Row y is added once row y + 1 is there. */
static enum error_code sum_rows(struct state *state, struct picture_source *source,
                                struct picture_sums *sums, struct image_fault *fault)
{
    uint32_t width = source->shape.width, height = source->shape.height, got;
    bytes_reset(&state->room);
    unsigned char *row = bytes_reserve(&state->room, (size_t)width * 6);
    if (!row)
        return ERROR_MEMORY;
    unsigned char *luma[3];
    for (size_t i = 0; i < 3; i++)
        luma[i] = row + (3 + i) * width;
    for (uint32_t y = 0; y < height; y++) {
        enum error_code code = picture_source_rows(source, row, 1, &got, fault);
        if (code != OK)
            return code;
        picture_to_luma(row, width, luma[y % 3]);
        const unsigned char *before = luma[(y + 2) % 3];
        if (y > 0)
            picture_sums_add(sums, y > 1 ? luma[(y + 1) % 3] : luma[y % 3], before,
                             luma[y % 3], width);
    }
    const unsigned char *last = luma[(height - 1) % 3];
    const unsigned char *above = height > 1 ? luma[(height - 2) % 3] : last;
    picture_sums_add(sums, above, last, above, width);
    return picture_source_finish(source, fault);
}

static enum error_code measure(struct stage *self, const struct column *column,
                               uint32_t row, struct image_fault *fault)
{
    struct state *state = self->state;
    struct picture_source source;
    struct picture_sums sums = {0};
    enum error_code code =
        picture_source_open(column, row, &state->rules, 0, 0, &source, fault);
    if (code != OK)
        return code;
    code = sum_rows(state, &source, &sums, fault);
    if (code == OK) {
        struct picture_stats stats = picture_stats_of(&sums);
        bool is_turned = source.shape.orientation >= 5;
        state->integers[WIDTH][row] =
            is_turned ? source.shape.height : source.shape.width;
        state->integers[HEIGHT][row] =
            is_turned ? source.shape.width : source.shape.height;
        state->reals[SHARPNESS][row] = stats.sharpness;
        state->reals[BRIGHTNESS][row] = stats.brightness;
        state->reals[CONTRAST][row] = stats.contrast;
    }
    picture_source_close(&source);
    return code;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    struct arena *arena = stage_output_arena(output);
    bool has_memory = true;
    for (size_t i = 0; i < INTEGERS; i++) {
        state->integers[i] = ARENA_NEW(arena, int64_t, in->count);
        has_memory = has_memory && state->integers[i];
    }
    for (size_t i = 0; i < REALS; i++) {
        state->reals[i] = ARENA_NEW(arena, double, in->count);
        has_memory = has_memory && state->reals[i];
    }
    if (!has_memory)
        return error_set(error, ERROR_MEMORY, "no memory for columns");
    enum error_code code =
        image_stage_visit(self, in, output, &options->common, measure, error);
    for (size_t i = 0; code == OK && i < INTEGERS + REALS; i++) {
        bool is_real = i >= INTEGERS;
        struct column made = {.name =
                                  is_real ? real_names[i - INTEGERS] : integer_names[i],
                              .type = is_real ? COLUMN_F64 : COLUMN_I64,
                              .data = is_real ? (const void *)state->reals[i - INTEGERS]
                                              : (const void *)state->integers[i]};
        code = stage_output_set(output, &made, error);
    }
    return code;
}

static void close_stats(struct stage *self)
{
    struct state *state = self->state;
    bytes_clear(&state->room);
}

const struct stage_type stage_image_stats = {
    .name = "image_stats",
    .summary = "Measure pictures: size, sharpness, brightness, contrast",
    .description =
        "Decodes each picture once, row by row, and adds width and height (i64) of the "
        "upright picture; brightness and contrast (f64), mean and standard deviation of "
        "its "
        "luma, 0 to 255; and sharpness (f64), the variance of its Laplacian (the four "
        "neighbours less four times the pixel, reflected at the border, as OpenCV's): a "
        "blurred photo has less than about 100. A picture that cannot be decoded is "
        "quarantined with its reason, so that the stage also checks files.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = (const struct stage_column[]){{"data", COLUMN_BYTES, true},
                                             {"width", COLUMN_I64, false},
                                             {"height", COLUMN_I64, false},
                                             {"sharpness", COLUMN_F64, false},
                                             {"brightness", COLUMN_F64, false},
                                             {"contrast", COLUMN_F64, false},
                                             {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_stats,
    .process = process,
    .close = close_stats};
